// Perfetto's trace processor, which is WebAssembly for a worker of a browser, run by Node: requests of its RPC protocol
// come on stdin, its answers go to stdout. Usage: node trace_processor.cjs FOLDER, that of engine_bundle.js.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const folder = process.argv[2];
const requests = fs.readFileSync(0);

function fail(error) {
  console.error(`${error.message}\n${error.stack}`.slice(0, 2000));
  process.exit(1);
}

// The one thing that the bundle asks its browser for is a file.
class XMLHttpRequest {
  open(_, name) {
    this.name = path.basename(name);
  }
  send() {
    const data = fs.readFileSync(path.join(folder, this.name));
    this.response = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
    this.status = 200;
  }
}
const worker = {
  XMLHttpRequest,
  TextDecoder,
  TextEncoder,
  performance,
  setTimeout,
  crypto: globalThis.crypto,
  console: { log() {}, warn() {}, error: console.error },
  location: { href: "http://localhost/engine_bundle.js" },
  importScripts() {},
  WorkerGlobalScope: class {},
};
worker.self = worker.globalThis = worker;
const port = { postMessage: (reply) => fs.writeSync(1, reply) };
try {
  vm.createContext(worker);
  vm.runInContext(fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8"), worker);
  worker.onmessage({ data: port });
} catch (error) {
  fail(error);
}
// The module is ready after the promises that it has made.
setImmediate(() => {
  try {
    const Bytes = vm.runInContext("Uint8Array", worker); // the bundle wants one of its own kind
    port.onmessage({ data: new Bytes(requests) });
  } catch (error) {
    fail(error);
  }
});
