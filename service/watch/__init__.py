"""What those who run Hansard can see: status, activity, metrics, logs."""
