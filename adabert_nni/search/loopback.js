// Loaded into NNI's manager by NODE_OPTIONS: a server that names no host listens on loopback only.
// NNI's manager names none, so it would listen on every interface, without authentication.
const net = require("net");

const LOOPBACK = "127.0.0.1";
const listen = net.Server.prototype.listen;

// The forms are those of node: (port, host, backlog, callback), all optional; ({ port, host, ... }); pipes
// and handles, which have no host, pass unchanged.
net.Server.prototype.listen = function (...args) {
  if (args.length === 0 || typeof args[0] === "function") args.unshift(0);
  const [first, host] = args;
  if (first === undefined || Number(first) >= 0) {
    if (host === "") args[1] = LOOPBACK;
    else if (typeof host !== "string") args.splice(1, 0, LOOPBACK);
  } else if (typeof first === "object" && "port" in first && !first.host) {
    args[0] = { ...first, host: LOOPBACK };
  }
  return listen.apply(this, args);
};
