// Times as people say them.

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dayOfUtc = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const DAY = 86_400_000;

export function short(moment) {
  const at = new Date(moment);
  const age = midnight(new Date()) - midnight(at);
  if (age <= 0) return time.format(at);
  if (age < 6.5 * DAY) return weekday.format(at);
  return at.getFullYear() === new Date().getFullYear() ? day.format(at) : dayOfYear.format(at);
}

// Of a day without a time, which is no moment and belongs to no zone.
export function dayShort(day) {
  return dayOfUtc.format(new Date(day));
}

export function full(moment) {
  return whole.format(new Date(moment));
}

export function clock(moment) {
  return time.format(new Date(moment));
}

export function dayName(moment) {
  const age = midnight(new Date()) - midnight(new Date(moment));
  if (age <= 0) return "Today";
  if (age < 1.5 * DAY) return "Yesterday";
  return dayOfYear.format(new Date(moment));
}

function midnight(at) {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
