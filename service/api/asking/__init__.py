"""What requests share: who asks, from where, and on what terms."""
