// The page of a device. It shows reports, which come once a second, and figures that are their change.
"use strict";

const token = new URLSearchParams(location.search).get("token") ?? "";
const $ = (id) => document.getElementById(id);
const KEPT = 300;
const COLOURS = ["#2f6fd6", "#d9822b", "#2f9e6b", "#b5489c", "#7a63d1", "#c2423a", "#2a9db0", "#8a8f2a"];

// Texts

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const rateText = (value) => (value >= 10_000 ? short.format(value) : whole.format(value));

function duration(ns) {
  if (!ns) return "0";
  const units = ["ns", "us", "ms", "s"];
  let at = 0;
  while (ns >= 999.5 && at < 3) {
    ns /= 1000;
    at += 1;
  }
  return `${ns >= 99.95 || !at ? ns.toFixed(0) : ns >= 9.995 ? ns.toFixed(1) : ns.toFixed(2)} ${units[at]}`;
}

function uptime(ns) {
  const s = Math.floor(ns / 1e9);
  if (s < 120) return `${s} s`;
  return s < 7200 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;
}

// Everything that comes from the device is put in as text: the name of a process may be anything.
function cell(row, text, kind = "") {
  const td = row.insertCell();
  td.textContent = text;
  td.className = kind;
  return td;
}

function bar(td, share, text, full = false) {
  td.textContent = "";
  const box = document.createElement("span");
  box.className = full ? "bar full" : "bar";
  const fill = document.createElement("i");
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  box.append(fill, text);
  td.append(box);
}

// The last minutes: one list of each figure, by time. A new device, or a restarted one, begins anew.

let history = [];

function remember(entry) {
  const last = history.at(-1);
  if (last && entry.uptime_ns < last.uptime_ns) history = [];
  history.push(entry);
  if (history.length > KEPT) history.shift();
}

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

function changes(read) {
  return history.map((entry, at) => {
    const before = history[at - 1];
    const seconds = before ? (entry.uptime_ns - before.uptime_ns) / 1e9 : 0;
    return seconds > 0 ? (read(entry) - read(before)) / seconds : null;
  });
}

// The buckets of wake times only grow. What came in one second is their change, and of that we want the 99th percentile.
function wakes() {
  return history.map((entry, at) => {
    if (!at || !entry.wake) return null;
    const before = new Map((history[at - 1].wake?.buckets ?? []).map(([low, , count]) => [low, count]));
    const grown = entry.wake.buckets.map(([low, high, count]) => [low, high ?? low, count - (before.get(low) ?? 0)]);
    const rank = 0.99 * grown.reduce((all, [, , count]) => all + count, 0);
    let seen = 0;
    for (const [low, high, count] of grown) {
      if (count > 0 && seen + count >= rank) return low + ((high - low) * (rank - seen)) / count;
      seen += count;
    }
    return null;
  });
}

// Charts

const charts = new Map();
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en", { hourCycle: "h23" });
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(id, names, columns, format) {
  const box = $(id);
  const data = [history.map((entry) => entry.time_ms / 1000), ...columns];
  const key = `${names.join()}|${document.documentElement.dataset.theme}`;
  let chart = charts.get(id);
  if (!chart || chart.key !== key) {
    chart?.plot.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const series = names.map((name, at) => ({
      label: name,
      stroke: COLOURS[at % COLOURS.length],
      width: 1.5,
      points: { show: false },
      value: (_, value) => (value == null ? "-" : format(value)),
    }));
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: 200,
        series: [{ label: "time" }, ...series],
        axes: [{ ...axis, size: 30, space: 90, values: (_, values) => values.map(clock) }, { ...axis, size: 62, values: (_, values) => values.map(format) }],
        scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        cursor: { sync: { key: "all" } },
      },
      data,
      box,
    );
    chart = { key, plot };
    charts.set(id, chart);
  } else {
    chart.plot.setData(data);
  }
}

addEventListener("resize", () => {
  for (const [id, { plot }] of charts) plot.setSize({ width: $(id).clientWidth, height: 200 });
});

function drawAll() {
  const ops = [...new Set(history.flatMap((entry) => Object.keys(entry.by_op)))].sort();
  const rates = ops.map((op) => changes((entry) => entry.by_op[op] ?? 0));
  draw("chart-rate", ops.length ? ops : ["nothing yet"], ops.length ? rates : [history.map(() => 0)], rateText);
  const flights = [history.map((entry) => entry.in_flight), changes((entry) => entry.ring_full)];
  draw("chart-flight", ["in flight", "full rings/s"], flights, rateText);
  const sources = (history.at(-1)?.times ?? []).map((_, at) => at).filter((at) => history.some((e) => e.times[at]?.some(Boolean)));
  const named = sources.length ? sources : [0];
  const names = named.map((at) => (at ? `worker ${at}` : "at once"));
  for (const [id, which] of [["chart-queue", 0], ["chart-service", 1]]) {
    draw(id, names, named.map((at) => history.map((entry) => entry.times[at]?.[which] ?? null)), duration);
  }
  const woken = wakes();
  draw("chart-wake", ["all clients"], [woken], duration);
  $("wake").textContent = woken.at(-1) == null ? "-" : duration(woken.at(-1));
}

// One report

let shown = null;

function show(report) {
  const before = shown && report.uptime_ns > shown.uptime_ns ? shown : null;
  const seconds = before ? (report.uptime_ns - before.uptime_ns) / 1e9 : 0;
  const rate = (read) => (seconds > 0 ? (read(report) - read(before)) / seconds : 0);
  shown = report;
  $("address").textContent = report.address;
  $("about").textContent = `up ${uptime(report.uptime_ns)}, seed ${report.seed}`;
  state(report.paused ? "paused" : "live");
  $("pause").textContent = report.paused ? "go on" : "pause the device";
  const full = rate((each) => each.ring_full);
  $("rate").textContent = rateText(rate((each) => sum(each.by_op)));
  $("rate").dataset.total = sum(report.by_op);
  $("in-flight").textContent = whole.format(report.in_flight);
  $("full-rate").textContent = rateText(full);
  $("full-rate").parentElement.classList.toggle("warn", full > 0);
  $("failed").textContent = whole.format(report.failed);
  $("failed").parentElement.classList.toggle("bad", rate((each) => each.failed) > 0);
  $("clients-count").textContent = whole.format(report.connected);
  const busy = report.workers.map((worker, at) => rate((each) => each.workers[at]?.busy_ns ?? 0) / 1e9 / worker.units);
  $("busy").textContent = `${Math.round((busy.reduce((all, one) => all + one, 0) / busy.length) * 100)} %`;
  showClients(report, before);
  showWorkers(report, busy);
  showSwitches(report);
}

function showClients(report, before) {
  const earlier = new Map((before?.clients ?? []).map((client) => [`${client.pid} ${client.entries}`, client]));
  const body = $("clients").tBodies[0];
  body.textContent = "";
  const starved = [];
  for (const client of report.clients) {
    const row = body.insertRow();
    row.dataset.pid = client.pid;
    const was = earlier.get(`${client.pid} ${client.entries}`);
    const times = was ? client.ring_full - was.ring_full : 0;
    if (times > 0) starved.push({ ...client, times });
    row.classList.toggle("full", times > 0);
    cell(row, client.name ? `${client.name} (${client.pid})` : `pid ${client.pid}`);
    cell(row, client.user);
    bar(cell(row, ""), client.in_flight / client.entries, `${client.in_flight} of ${client.entries}`, times > 0);
    cell(row, whole.format(client.ring_full), "n");
    cell(row, whole.format(client.completed), "n");
    cell(row, whole.format(client.failed), "n");
    for (const figure of ["p50_ns", "p99_ns"]) cell(row, client.wake ? duration(client.wake[figure]) : "-", "n");
  }
  if (!report.clients.length) cell(body.insertRow(), "no client is connected").colSpan = 8;
  const hidden = report.connected - report.clients.length;
  const refusals = report.refused_users.map((one) => `${one.user} ${one.times} times (last pid ${one.pid}): ${one.why}`);
  $("refused").textContent = [
    hidden > 0 ? `${hidden} more clients.` : "",
    refusals.length ? `Refused: ${refusals.join("; ")}.` : "",
  ].join(" ").trim();
  advise(report, starved);
}

function advise(report, starved) {
  const worst = starved.sort((one, other) => other.times - one.times)[0];
  let text = "";
  if (report.paused) {
    text = "The device is paused: what clients submit waits on their rings.";
  } else if (worst) {
    text =
      `The ring of ${worst.name || "pid"} (${worst.pid}) has ${worst.entries} entries, and was full ${whole.format(worst.times)} ` +
      `times in the last second. What does not fit waits, or is done in software: give it more entries (entries=${nextEntries(worst.entries)} ` +
      "in the configuration of the provider, depth= in Python).";
  }
  if ($("advice").textContent !== text) $("advice").textContent = text;
  $("advice").hidden = !text;
}

const nextEntries = (entries) => Math.min(4096, Math.max(64, entries * 4));

function showWorkers(report, busy) {
  const body = $("workers").tBodies[0];
  body.textContent = "";
  const rows = [["at once", null, report.short], ...report.workers.map((each, at) => [`worker ${at + 1}`, busy[at], each])];
  for (const [name, share, times] of rows) {
    const row = body.insertRow();
    cell(row, times.units > 1 ? `${name}, ${times.units} units` : name);
    if (share === null) cell(row, "in the thread that serves all clients", "note");
    else bar(cell(row, ""), share, `${Math.round(share * 100)} %`);
    for (const which of ["queue", "service"]) {
      for (const figure of ["p50_ns", "p99_ns", "p999_ns"]) cell(row, duration(times[which][figure]), "n");
    }
  }
}

function showSwitches(report) {
  const list = $("injected");
  list.textContent = "";
  for (const text of report.injected) {
    const item = document.createElement("li");
    item.textContent = text;
    list.append(item);
  }
  const met = Object.entries(report.faults).map(([kind, count]) => `${kind} ${whole.format(count)}`);
  $("met").textContent = met.length ? `Faults met: ${met.join(", ")}` : "";
  $("held").textContent = report.held ? `${report.held} held` : "";
}

// Switches

const SILENT = "the device does not answer";

async function act(action, text = "") {
  const headers = { "content-type": "text/plain", "x-simaccel-token": token };
  try {
    const answer = await fetch("act", { method: "POST", headers, body: `${action}\n${text}` });
    const body = await answer.text();
    if (answer.ok) return "";
    return answer.headers.get("content-type").startsWith("application/json") ? JSON.parse(body).error : body.trim();
  } catch {
    return SILENT;
  }
}

function tell(text, kind) {
  $("fault-told").textContent = text;
  $("fault-told").className = kind;
}

let checks = 0;

$("fault").addEventListener("input", async () => {
  const text = $("fault").value.trim();
  const mine = ++checks;
  $("inject").disabled = true;
  if (!text) return tell("", "");
  const error = await act("check", text);
  if (mine !== checks) return; // more was typed meanwhile
  $("inject").disabled = Boolean(error);
  tell(error || "this can be switched on", error ? "bad" : "good");
});

async function press(action, text, done) {
  const error = await act(action, text);
  tell(error || done, error ? "bad" : "good");
  return !error;
}

$("fault-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("fault").value.trim();
  if (text && (await press("inject", text, `on: ${text}`))) {
    $("fault").value = "";
    $("inject").disabled = true;
  }
});
$("clear").addEventListener("click", () => press("clear", "", "all faults are off"));
$("hold").addEventListener("click", () => press("inject", "hold", "requests are held until they are released"));
$("release").addEventListener("click", () => press("release", "", "released"));
$("reset").addEventListener("click", () => press("reset", "", "what was in flight has failed"));
$("pause").addEventListener("click", () => press(shown?.paused ? "go-on" : "pause", "", ""));

// Theme

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "light" : "dark";
  if (history.length) drawAll();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
theme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

// The stream. A device that goes away comes back at the same address, and a browser asks again by itself, except after
// an answer that is an error.

function state(name, text = name) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

function listen() {
  const stream = new EventSource(`events?token=${encodeURIComponent(token)}`);
  stream.addEventListener("history", (event) => {
    history = [];
    JSON.parse(event.data).forEach(remember);
  });
  stream.addEventListener("report", (event) => {
    const report = JSON.parse(event.data);
    const sources = [report.short, ...report.workers];
    if (history.at(-1)?.time_ms !== report.time_ms) {
      remember({
        ...report,
        times: sources.map((source) => [source.queue.p99_ns, source.service.p99_ns]),
      });
    }
    show(report);
    drawAll();
  });
  stream.onerror = async () => {
    state("gone", SILENT);
    if (stream.readyState === EventSource.CLOSED) {
      // A stream does not say why it was refused; an action does. A device that was restarted may have another token.
      state("gone", (await act("check", "fail")) || SILENT);
      setTimeout(listen, 1000);
    }
  };
}

listen();
