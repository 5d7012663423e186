/* What pages can do beside being read: they refresh while they are seen, copy commands, and draw their tables. */
(function () {
  "use strict";

  var KEPT = "lead-router-refresh-seconds";
  var root = document.documentElement;
  var plots = [];
  root.classList.add("scripted");

  function remembered() {
    try { return window.localStorage.getItem(KEPT); } catch (_) { return null; }
  }
  function remember(value) {
    try { window.localStorage.setItem(KEPT, value); } catch (_) { /* a browser that keeps nothing */ }
  }

  // A page in a hidden tab asks nothing; neither does one in which somebody is typing or selecting. A tab asks one thing at a
  // time, and leaves the server alone for as long as the answer took; after failures longer and longer, up to a minute.
  var since = Date.now(), asked = 0, took = 0, failures = 0;
  var LOST_MS = 30000, LONGEST_MS = 60000;
  function busy() {
    var live = document.getElementById("live");
    var focused = document.activeElement;
    var typing = live && focused && live.contains(focused) && /^(INPUT|SELECT|TEXTAREA)$/.test(focused.tagName);
    var selection = window.getSelection();
    return typing || (selection && !selection.isCollapsed && live && live.contains(selection.anchorNode));
  }
  function seconds() {
    var choice = document.getElementById("every");
    return choice ? Number(choice.value) : 0;
  }
  function pause() {
    return Math.max(took, Math.min(seconds() * 1000 * Math.pow(2, failures), Math.max(LONGEST_MS, seconds() * 1000)));
  }
  function refresh() {
    var now = Date.now(), waiting = asked && now - asked < LOST_MS;
    if (!seconds() || document.hidden || waiting || busy() || !document.getElementById("live")) { return; }
    if (now - since >= pause()) { window.htmx.trigger(document.body, "refresh"); }
  }
  window.setInterval(refresh, 500);
  document.addEventListener("visibilitychange", refresh);
  function ofThePage(event) {
    var config = event.detail.requestConfig;
    return config && config.elt && config.elt.id === "live";
  }
  document.addEventListener("htmx:beforeRequest", function (event) { if (ofThePage(event)) { asked = Date.now(); } });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (!ofThePage(event) || !asked) { return; }
    since = Date.now();
    took = since - asked;
    asked = 0;
    failures = event.detail.successful ? 0 : Math.min(failures + 1, 10);
  });

  function stale(shown) {
    var banner = document.getElementById("stale");
    if (banner) { banner.hidden = !shown; }
  }
  document.addEventListener("htmx:beforeSwap", function (event) {
    var target = event.detail.target;
    if (!target || target.id !== "live") { return; }
    if (event.detail.xhr.status === 503 && event.detail.xhr.responseText.indexOf('id="live"') >= 0) {
      // It says what the trouble is, and who is in the way: that is what the page shows now.
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
    if (event.detail.xhr.status === 200 && event.detail.xhr.responseText.indexOf('id="live"') < 0 && !target.closest("[data-draft]")) {
      // Another page came, as that of the login: the session is over.
      event.detail.shouldSwap = false;
      window.location.reload();
      return;
    }
    open = Array.prototype.map.call(target.querySelectorAll("details[open][id]"), function (one) { return one.id; });
    focused = target.contains(document.activeElement) ? place(document.activeElement) : null;
    scrolled = {};
    target.querySelectorAll(".scroll").forEach(function (one, at) { scrolled[at] = [one.scrollLeft, one.scrollTop]; });
  });
  var open = [], focused = null, scrolled = {};
  function place(element) {
    if (element.id) { return "#" + CSS.escape(element.id); }
    return element.getAttribute("href") ? 'a[href="' + CSS.escape(element.getAttribute("href")) + '"]' : null;
  }
  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.id !== "live") { return; }
    var live = document.getElementById("live");
    if (!live) { return; }
    stale(false);
    open.forEach(function (id) { var one = document.getElementById(id); if (one) { one.open = true; } });
    live.querySelectorAll(".scroll").forEach(function (one, at) {
      if (scrolled[at]) { one.scrollLeft = scrolled[at][0]; one.scrollTop = scrolled[at][1]; }
    });
    var again = focused && live.querySelector(focused);
    if (again) { again.focus({ preventScroll: true }); }
    draw();
  });
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach(function (name) {
    document.addEventListener(name, function () { stale(true); });
  });

  // A draft stays, whatever comes back: only what was found about it is replaced, also by what was refused.
  function drafts() { return document.querySelector("form[data-draft]"); }
  document.addEventListener("htmx:beforeSwap", function (event) {
    var detail = event.detail, form = detail.target && detail.target.closest("[data-draft]");
    if (!form) { return; }
    detail.shouldSwap = detail.xhr.responseText.indexOf('id="' + detail.target.id + '"') >= 0;
    detail.isError = false;
    form.querySelectorAll(":scope > p.banner").forEach(function (one) { one.remove(); });
    if (detail.shouldSwap) { stale(false); return; }
    var page = new DOMParser().parseFromString(detail.xhr.responseText, "text/html");
    var words = page.querySelector("#token") ? form.dataset.gone : Array.prototype.map.call(
      page.querySelectorAll("main h1, main h1 + p"), function (one) { return one.textContent; }).join(": ");
    var said = document.createElement("p");
    said.className = "banner bad";
    said.setAttribute("role", "alert");
    said.textContent = words || String(detail.xhr.status);
    form.insertBefore(said, document.getElementById("checked"));
  });
  var sending = false;
  document.addEventListener("submit", function () { sending = true; });
  window.addEventListener("beforeunload", function (event) {
    var form = drafts(), text = form && form.querySelector("textarea");
    if (text && !sending && (text.value !== text.defaultValue || form.dataset.draft)) { event.preventDefault(); }
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-line]"), text = document.getElementById("draft");
    if (!button || !text) { return; }
    var lines = text.value.split("\n"), at = Number(button.dataset.line) - 1;
    var start = lines.slice(0, at).join("\n").length + (at ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[at] || "").length);
    text.scrollTop = Math.max(0, (at - 4) * text.scrollHeight / lines.length);
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) { return; }
    var text = button.parentNode.querySelector("code").textContent;
    var was = button.textContent;
    function said() { button.textContent = "✓"; window.setTimeout(function () { button.textContent = was; }, 1200); }
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(said); return; }
    var range = document.createRange();
    range.selectNodeContents(button.parentNode.querySelector("code"));
    window.getSelection().removeAllRanges();
    window.getSelection().addRange(range);
  });
  document.addEventListener("change", function (event) {
    var form = event.target.closest("[data-submit-on-change]");
    if (form) { form.submit(); }
    if (event.target.id === "every") { remember(event.target.value); since = Date.now(); }
  });

  // The table is the truth; the picture is drawn from it.
  function colour(name) { return getComputedStyle(root).getPropertyValue(name).trim(); }
  function rows(table) {
    return Array.prototype.map.call(table.tBodies[0].rows, function (row) {
      return Array.prototype.map.call(row.cells, function (cell, at) {
        var time = at === 0 && cell.querySelector("time");
        if (time) { return Date.parse(time.dateTime) / 1000; }
        var number = Number(cell.textContent.replace(/,/g, ""));
        return isNaN(number) ? null : number;
      });
    }).reverse();
  }
  function shown(zone) {
    var form = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
    return function (at) { return form.format(new Date(at * 1000)); };
  }
  function draw() {
    plots.forEach(function (one) { one.destroy(); });
    plots = [];
    document.querySelectorAll("table[data-plot]").forEach(function (table) {
      var box = document.getElementById(table.dataset.plot), found = rows(table);
      if (!box || !found.length || !window.uPlot) { return; }
      var names = Array.prototype.map.call(table.tHead.rows[0].cells, function (one) { return one.textContent; });
      var data = names.map(function (_, column) { return found.map(function (row) { return row[column]; }); });
      var clock = shown(table.dataset.zone), strokes = ["--first", "--second"];
      box.replaceChildren();
      plots.push(new window.uPlot({
        width: box.clientWidth, height: 190, legend: { live: true },
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: function (_, low, high) { return [0, Math.max(2, high * 1.1)]; } } },
        axes: [
          { stroke: colour("--soft"), grid: { show: false }, ticks: { stroke: colour("--line") }, values: function (_, at) { return at.map(clock); } },
          { stroke: colour("--soft"), grid: { stroke: colour("--line") }, ticks: { show: false }, size: 44 }
        ],
        series: [{ label: names[0], value: function (_, at) { return at === null ? "–" : clock(at); } }].concat(names.slice(1).map(function (name, at) {
          return { label: name, stroke: colour(strokes[at]), width: 2, dash: at ? [6, 4] : undefined, points: { show: false } };
        }))
      }, data, box));
    });
  }
  var wide = window.innerWidth;
  window.addEventListener("resize", function () {
    if (window.innerWidth !== wide) { wide = window.innerWidth; draw(); }
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  function begin() {
    var choice = document.getElementById("every"), kept = remembered();
    if (choice && kept !== null) { choice.value = kept; }
    if (choice && choice.selectedIndex < 0) { choice.value = "5"; }
    draw();
  }
  if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", begin); } else { begin(); }
})();
