// Who is asking: a name where nobody is asked to prove it, a token or a service key where one is.
// What proves something stays in this tab, and goes with it.

export const proves = document.documentElement.dataset.auth !== "dev";

const TOKEN = "hansard.token";
const USER = "hansard.user";
const KEY = "hsk_";
const ASCII = /^[!-~]+( [!-~]+)*$/;

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  get isKey() {
    return (this.token ?? "").startsWith(KEY);
  },
  get user() {
    if (proves && !this.isKey) return this.token ? subject(this.token) : null;
    return sessionStorage.getItem(USER) ?? (proves ? null : localStorage.getItem(USER));
  },
  get isThere() {
    return Boolean(proves ? this.token : this.user);
  },
  headers() {
    const headers = {};
    if (proves && this.token) headers.Authorization = `Bearer ${this.token}`;
    if (this.names && ASCII.test(this.user)) headers["X-User-Id"] = this.user;
    return headers;
  },
  // A header holds no other letters than these; an address can say all of them.
  in(path) {
    if (!this.names || ASCII.test(this.user)) return path;
    return `${path}${path.includes("?") ? "&" : "?"}user_id=${encodeURIComponent(this.user)}`;
  },
  get names() {
    return (!proves || this.isKey) && Boolean(this.user);
  },
  begin({ token, user }) {
    if (token) sessionStorage.setItem(TOKEN, token);
    if (user) sessionStorage.setItem(USER, user);
    if (user && !proves) localStorage.setItem(USER, user);
  },
  // Nobody is there any more; what was being written waits for who wrote it.
  forget() {
    sessionStorage.removeItem(TOKEN);
    sessionStorage.removeItem(USER);
    localStorage.removeItem(USER);
  },
  end() {
    this.forget();
    sessionStorage.clear();
  },
};

// For showing the name only; the service is who believes a token or does not.
function subject(token) {
  try {
    const bytes = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (each) => each.charCodeAt(0)))).sub;
  } catch {
    return null;
  }
}

// An application may send its user here with a token behind the #, which no server ever sees.
export function arriveWithToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  if (proves) session.begin({ token: given });
}
