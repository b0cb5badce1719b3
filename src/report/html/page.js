"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = number => data.texts[number] ?? "";
  const overview = document.getElementById("overview");
  const page = document.getElementById("cell");
  const matrix = document.getElementById("matrix");
  const filters = document.getElementById("filters");
  const SYMBOLS = { pass: "✓", fail: "✗", skip: "–", known: "◐", flaky: "≈", error: "!" };
  const MARKS = { i: "inferred from logs of real routers", r: "recalled from documentation or field knowledge", m: "made up, so that the event leaves a trace" };
  /** Lines of a log that are shown before somebody asks for the rest. */
  const FEW = 4;
  /** Words of lines that are always shown. */
  const LOUD = /^%(?!SYS)|mismatch|not (accept|support|found|match)|fail|invalid|no match|does not|\berror|refus|reject|retransmit|no.proposal/i;
  /** Words of lines that sound so and say nothing. */
  const QUIET = /vendor id|hash no match|error FALSE|peer index node|^\s*#/i;

  /** An element with attributes and children; texts are texts, never markup. */
  const make = (name, attributes = {}, ...children) => {
    const element = name.startsWith("svg:")
      ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.flat().filter(child => child !== null && child !== undefined));
    return element;
  };

  // The matrix.

  const rows = [...matrix.querySelectorAll("tr.scenario")];
  const buttons = [...matrix.querySelectorAll("button.cell")];
  const columns = [...matrix.querySelectorAll("thead th[data-column]")];

  const filter = () => {
    const wanted = new FormData(filters);
    const results = new Set(wanted.getAll("result"));
    const [implementation, release, tag] = ["implementation", "release", "tag"].map(name => wanted.get(name));
    const words = wanted.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    const open = columns.map(column =>
      (!implementation || column.dataset.implementation === implementation) && (!release || column.dataset.release === release));
    columns.forEach((column, index) => { column.hidden = !open[index]; });
    for (const head of matrix.querySelectorAll("th.implementation")) {
      const count = columns.filter((column, index) => open[index] && column.dataset.implementation === head.dataset.implementation).length;
      head.hidden = count === 0;
      head.colSpan = Math.max(count, 1);
    }
    let shown = 0;
    for (const row of rows) {
      const fits = (!tag || row.dataset.tags.includes(` ${tag} `)) && words.every(word => row.dataset.text.includes(word));
      let any = 0;
      for (const place of row.querySelectorAll("td")) {
        const here = open[Number(place.dataset.column)];
        place.hidden = !here;
        for (const button of place.querySelectorAll("button")) {
          const out = !results.has(button.dataset.result);
          button.classList.toggle("out", out);
          button.disabled = out;
          if (here && !out) any += 1;
        }
      }
      row.hidden = !fits || any === 0;
      if (!row.hidden) shown += any;
    }
    for (const body of matrix.tBodies) body.hidden = ![...body.querySelectorAll("tr.scenario")].some(row => !row.hidden);
    document.getElementById("nothing").hidden = shown > 0;
    document.getElementById("shown").textContent = shown === buttons.length ? `${shown} cells` : `${shown} of ${buttons.length} cells`;
    const usable = buttons.filter(visible);
    if (!usable.some(button => button.tabIndex === 0)) {
      buttons.forEach(button => { button.tabIndex = -1; });
      if (usable.length) usable[0].tabIndex = 0;
    }
  };
  const visible = button => !button.disabled && !button.closest("td").hidden && !button.closest("tr").hidden;
  filters.addEventListener("input", filter);
  filters.addEventListener("reset", () => setTimeout(filter));
  filters.addEventListener("submit", event => event.preventDefault());

  const focus = button => {
    buttons.forEach(other => { other.tabIndex = other === button ? 0 : -1; });
    button.focus();
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  /** The lines of buttons a person sees: both twins of a row are two lines. */
  const lines = () => rows.filter(row => !row.hidden).flatMap(row => {
    const places = [...row.querySelectorAll("td")].filter(place => !place.hidden);
    const deep = Math.max(...places.map(place => place.querySelectorAll("button").length));
    return Array.from({ length: deep }, (_, depth) =>
      places.map(place => place.querySelectorAll("button")[depth]).map(button => (button && !button.disabled ? button : null)));
  }).filter(line => line.some(Boolean));
  const move = (button, key, far) => {
    const grid = lines();
    let y = grid.findIndex(line => line.includes(button));
    if (y < 0) return null;
    let x = grid[y].indexOf(button);
    const nearest = line => line.reduce((best, at, index) =>
      (at && (best === null || Math.abs(index - x) < Math.abs(best - x)) ? index : best), null);
    switch (key) {
      case "ArrowRight": case "ArrowLeft": {
        const step = key === "ArrowRight" ? 1 : -1;
        do x += step; while (x >= 0 && x < grid[y].length && !grid[y][x]);
        return grid[y][x] ?? null;
      }
      case "ArrowDown": y += 1; break;
      case "ArrowUp": y -= 1; break;
      case "PageDown": y = Math.min(y + 10, grid.length - 1); break;
      case "PageUp": y = Math.max(y - 10, 0); break;
      case "Home": if (far) y = 0; x = 0; break;
      case "End": if (far) y = grid.length - 1; x = grid[y].length - 1; break;
      default: return null;
    }
    return grid[y] ? grid[y][nearest(grid[y])] : null;
  };
  matrix.addEventListener("keydown", event => {
    const button = event.target.closest("button.cell");
    if (!button || event.altKey || event.metaKey) return;
    const next = move(button, event.key, event.ctrlKey);
    if (next) {
      event.preventDefault();
      focus(next);
    }
  });
  matrix.addEventListener("click", event => {
    const button = event.target.closest("button.cell");
    if (button) location.hash = address(data.cells[Number(button.dataset.cell)]);
  });

  // Which cell is open stands in the address, so that it can be sent and the browser's back leads to the matrix.

  const address = cell => "#cell=" + encodeURIComponent(cell.name);
  const opened = () => {
    if (!location.hash.startsWith("#cell=")) return -1;
    let name;
    // Somebody may have written the address, or cut it.
    try { name = decodeURIComponent(location.hash.slice("#cell=".length)); } catch { return -1; }
    return data.cells.findIndex(cell => cell.name === name);
  };
  let last = -1;
  const show = () => {
    const index = opened();
    overview.hidden = index >= 0;
    page.hidden = index < 0;
    if (index >= 0) {
      page.replaceChildren(...story(data.cells[index], index));
      document.title = `${SYMBOLS[data.cells[index].result]} ${data.cells[index].name}`;
      page.querySelector("h2").focus({ preventScroll: true });
      scrollTo({ top: 0, behavior: "instant" });
    } else {
      page.replaceChildren();
      const button = buttons[last];
      if (button && visible(button)) focus(button);
    }
    last = index;
  };
  const close = () => { location.hash = ""; };
  addEventListener("hashchange", show);
  document.getElementById("home").addEventListener("click", event => { event.preventDefault(); close(); });
  addEventListener("keydown", event => {
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape" && !page.hidden) close();
    if (event.key === "/" && !typing && page.hidden) {
      event.preventDefault();
      filters.elements.text.focus();
    }
  });

  // The story of a cell.

  /** Text without the line ends of the file it was written in; paragraphs stay. */
  const flowing = words => words.replace(/([^\n])\n(?=[^\n])/g, "$1 ");
  const heading = title => make("h3", {}, title);
  const story = (cell, index) => [
    crumbs(index),
    make("h2", { tabindex: "-1" }, cell.name, " ", badge(cell)),
    cell.title === undefined ? null : make("p", { class: "about" }, text(cell.title) + (text(cell.about) ? "\n" + flowing(text(cell.about)) : "")),
    facts(cell),
    siblings(cell),
    // What nobody expected to be wrong is why the rest failed.
    ...(cell.failures.length > 0 && !cell.failures.some(([what]) => what === "diagnosis")
      ? [...problems(cell), ...findings(cell)] : [...findings(cell), ...problems(cell)]),
    ...difference(cell),
    ...timeLine(cell),
    ...configs(cell),
    ...transcript(cell),
  ].filter(Boolean);

  const badge = cell => make("span", { class: `badge ${cell.result}` }, `${SYMBOLS[cell.result]} ${cell.result}`);

  const crumbs = index => {
    const to = (label, step) => {
      const target = data.cells[index + step];
      return make("button", { type: "button", disabled: !target, onclick: () => { location.hash = address(target); } }, label);
    };
    const bad = data.cells.findIndex((cell, at) => at > index && (cell.result === "fail" || cell.result === "error"));
    return make("nav", { class: "crumbs tools", "aria-label": "Cells" },
      make("button", { type: "button", onclick: close }, "← matrix"), to("previous", -1), to("next", 1),
      bad < 0 ? null : make("button", { type: "button", onclick: () => { location.hash = address(data.cells[bad]); } }, "next failure"));
  };

  const facts = cell => {
    const list = make("dl", { class: "facts" });
    const fact = (name, value) => value && list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    if (cell.reason) fact("why", cell.reason);
    if (cell.remedy) fact("remedy", cell.remedy);
    fact("implementation", `${cell.implementation} ${cell.version === undefined ? "" : text(cell.version)}`);
    fact("router", `Cisco IOS ${cell.release}`);
    fact("took", `${cell.seconds.toFixed(2)} s` + (cell.attempt > 1 ? `, attempt ${cell.attempt}` : ""));
    if (cell.began) fact("began", new Date(cell.began).toISOString().replace("T", " ").slice(0, 19) + " UTC");
    if (cell.seed) fact("seed", cell.seed);
    if (cell.file !== undefined) fact("scenario", make("code", {}, text(cell.file)));
    if (cell.tags?.length) fact("tags", cell.tags.join(", "));
    if (cell.references?.length) fact("see", cell.references.join("; "));
    fact("again", make("code", {}, cell.again));
    if (cell.folder && cell.result !== "skip") {
      const link = name => make("a", { href: cell.folder.split("/").map(encodeURIComponent).join("/") + "/" + name }, name);
      const files = ["transcript.txt", "capture.pcapng", "dut.pcapng", "cisco.pcapng", "cisco.log", "dut.log", "events.jsonl"];
      fact("evidence", make("span", {}, ...files.flatMap((name, at) => (at ? [", ", link(name)] : [link(name)]))));
    }
    return list;
  };

  /** The other cells of the scenario. */
  const siblings = cell => {
    const others = data.cells.filter(other => other.scenario === cell.scenario);
    if (others.length < 2) return null;
    return make("nav", { class: "siblings", "aria-label": "Cells of this scenario" }, ...others.map(other =>
      make("a", { class: `cell ${other.result}`, href: address(other), "aria-current": other === cell ? "page" : null },
        `${SYMBOLS[other.result]} ${other.implementation} ${other.release}${other.twin ? " " + other.twin : ""}`)));
  };

  const place = (cell, file) => (cell.folder ? make("a", { href: cell.folder.split("/").map(encodeURIComponent).join("/") + "/" + file }, file) : file);

  const term = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const told = (name, value) => make("div", {}, ...term(name, value));
  /** A value; a long one scrolls, also by keyboard. */
  const longValue = words => make("pre", { tabindex: words.split("\n").length > 12 ? "0" : null, "aria-label": "found" }, words);
  const problems = cell => cell.failures.length === 0 ? [] : [heading("Not as expected"), ...cell.failures.map(([what, expected, found, file, asked, transcript]) =>
    make("section", { class: transcript ? "problem whole" : "problem" }, make("b", {}, what), make("dl", {},
      told("expected", make("pre", {}, expected)),
      told("found", transcript ? changes(cell) : longValue(text(found))),
      make("div", { class: "places" }, ...(asked ? term("asked in", make("code", {}, asked)) : []), ...term("look at", place(cell, file))))))];

  /** In what the transcript is another than the reviewed one. */
  const changes = cell => make("ul", { class: "changes" }, ...cell.changes.map(([weight, where, what]) =>
    make("li", { class: weight }, make("b", {}, weight), " ", make("span", { class: "where" }, where), ": ", what)));

  const difference = cell => {
    if (cell.difference === null || cell.difference === undefined) return [];
    const told = cell.failures.some(failure => failure[5]);
    return [heading("Transcript against the reviewed one"), told ? null : changes(cell), diff(text(cell.difference))].filter(Boolean);
  };

  const findings = cell => cell.findings.length === 0 ? [] : [heading("Diagnosis"), ...cell.findings.map(finding =>
    make("section", { class: "finding" }, make("b", {}, finding.code), ": ", finding.message, make("dl", {},
      ...finding.lines.flatMap(([file, line, words, label]) => [
        make("dt", {}, `${file}:${line}`), make("dd", {}, make("code", {}, words), " ", make("em", {}, label)),
      ]))))];

  // The time line: a row for each message or step, with what both sides said until the next.

  const timeLine = cell => {
    if (!cell.rows?.length) return [];
    const table = make("div", { class: "time-line", role: "table", "aria-label": "What happened" });
    const head = (name, words) => make("div", { class: name, role: "columnheader" }, ...words);
    table.append(make("div", { class: "row head", role: "row" },
      head("at", ["seconds"]), head("log", [`${cell.implementation} log`]),
      head("seq", [make("span", {}, "dut"), make("span", {}, "cisco")]), head("log", ["router console"])));
    let marked = false;
    cell.rows.forEach((row, number) => {
      const [at, anchor, dut, cisco, notes] = row;
      marked ||= cisco.some(said => said[2]);
      table.append(make("div", { class: "row", role: "row" },
        make("div", { class: "at", role: "cell" }, (at / 1000).toFixed(4).slice(0, -1)),
        make("div", { class: "log", role: "cell", "data-who": cell.implementation }, ...said(dut)),
        make("div", { class: "seq", role: "cell" }, lives(), ...anchored(anchor, number), ...notes.map(note)),
        make("div", { class: "log", role: "cell", "data-who": "router" }, ...said(cisco))));
    });
    const all = (label, selector) => make("button", { type: "button", onclick: () => {
      const found = [...table.querySelectorAll(selector)];
      found.forEach(button => button.click());
    } }, label);
    const more = [[cell.more[0], "messages"], [cell.more[1], "lines of the implementation's log"], [cell.more[2], "lines of the router's console"]]
      .filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    return [
      heading("Negotiation"),
      make("div", { class: "tools" }, all("Open all messages", ".message[aria-expanded=false]"),
        all("Close all", ".message[aria-expanded=true]"), all("Show all lines", "button.more")),
      marked ? make("p", { class: "marks" }, "Letters before lines of the router say that their text was not seen in a log of a real router: ",
        Object.entries(MARKS).map(([mark, words]) => `${mark} ${words}`).join("; "), ".") : null,
      table,
      more.length ? make("p", { class: "marks" }, `Not shown here: ${more.join(", ")}. The files beside this page hold them.`) : null,
    ].filter(Boolean);
  };

  const lives = () => make("svg:svg", { class: "lives", "aria-hidden": "true" },
    make("svg:line", { x1: "8%", x2: "8%", y1: "0", y2: "100%" }), make("svg:line", { x1: "92%", x2: "92%", y1: "0", y2: "100%" }));

  const note = ([words]) => make("div", { class: text(words).startsWith("cisco: ") ? "note" : "note ours" }, text(words).replace(/^cisco: /, ""));

  const anchored = (anchor, number) => {
    if (!anchor) return [];
    if (anchor[0] === "step") return [make("div", { class: "event" }, text(anchor[1]))];
    if (anchor[0] === "show") return [make("div", { class: "event" }, "cisco# ", make("code", {}, text(anchor[1])))];
    return message(anchor, number);
  };

  /** A packet as an arrow that opens to its payloads. */
  const message = ([, ours, name, kind, fate, took, again, payloads], number) => {
    const lost = fate === "lost";
    const label = text(name) + (again ? " again" : "");
    const under = [
      kind === "encrypted" ? "encrypted" : null,
      lost ? "lost on its way" : fate === "changed" ? "changed on its way" : typeof fate === "number" ? `arrived ${fate} times` : null,
      took !== null && took >= 50 ? `${(took / 1000).toFixed(2)} s on its way` : null,
    ].filter(Boolean).join(", ");
    const [from, to] = ours ? [8, 92] : [92, 8];
    const end = lost ? 50 : to;
    const body = make("pre", { class: "payloads", id: `payloads-${number}`, hidden: true });
    const button = make("button", {
      type: "button", class: `message ${kind} ${lost ? "lost" : ""}`, "aria-expanded": "false", "aria-controls": `payloads-${number}`,
      "aria-label": `${label}, ${ours ? "dut to cisco" : "cisco to dut"}${under ? ", " + under : ""}`,
      onclick: () => {
        if (!body.hasChildNodes()) body.append(...decoded(text(payloads)));
        body.hidden = !body.hidden;
        button.setAttribute("aria-expanded", String(!body.hidden));
      },
    }, make("span", { class: "name" }, label), make("svg:svg", { "aria-hidden": "true" },
      make("svg:line", { class: "way", x1: `${from}%`, x2: `${end}%`, y1: "7", y2: "7" }),
      lost ? make("svg:text", { class: "cross", x: "50%", y: "13", "text-anchor": "middle" }, "✗")
        : make("svg:svg", { x: `${to}%`, y: "7", overflow: "visible" }, make("svg:path", { class: "tip", d: ours ? "M0 0 L-10 -5.5 L-10 5.5z" : "M0 0 L10 -5.5 L10 5.5z" }))),
      under ? make("span", { class: "under" }, under) : null);
    return [button, body];
  };

  const decoded = words => words.split("\n").map((line, at) =>
    make("span", { class: at === 0 || /^\s*=/.test(line) ? "decided" : null }, line + "\n"));

  /** Lines of a log, the many after the first few behind a button. */
  const said = lines => {
    const element = ([number, after = 0, mark]) => {
      const words = text(number);
      return make("div", { class: LOUD.test(words) && !QUIET.test(words) ? "said loud" : "said", title: after ? `${after} ms later` : null },
        make("i", mark ? { title: MARKS[mark] } : {}, mark ?? ""), words);
    };
    const elements = lines.map(element);
    const behind = elements.filter((line, at) => at >= FEW && !line.classList.contains("loud"));
    if (behind.length <= 2) return elements;
    behind.forEach(line => { line.hidden = true; });
    const button = make("button", { type: "button", class: "more", onclick: () => {
      behind.forEach(line => { line.hidden = false; });
      button.remove();
    } }, `${behind.length} more lines`);
    return [...elements, button];
  };

  // Configurations and transcript.

  const configs = cell => {
    if (!cell.configs?.length) return [];
    const side = cisco => cell.configs.filter(config => config[0] === cisco).map(([, name, body, marks], at) => {
      const labels = new Map();
      for (const [line, label] of marks) labels.set(line, [...(labels.get(line) ?? []), label].filter(Boolean));
      const list = make("ol", { class: "mono", tabindex: "0", "aria-label": text(name) },
        ...text(body).trimEnd().split("\n").map((line, index) => make("li", { class: labels.has(index + 1) ? "marked" : null },
          line, ...(labels.get(index + 1) ?? []).map(label => make("em", {}, label)))));
      return make("details", { class: "config", open: at === 0 || marks.length > 0 },
        make("summary", {}, text(name), marks.length ? ` (${labels.size} marked)` : ""), list);
    });
    const column = (title, cisco) => make("div", {}, make("h4", {}, title), ...side(cisco));
    return [heading("Configurations"), make("div", { class: "pair" },
      column(`Ours: scenario and ${cell.implementation}`, false), column("Cisco", true))];
  };

  const diff = words => make("pre", { class: "text diff" }, ...words.split("\n").map(line =>
    make("span", { class: line.startsWith("@@") || /^(---|\+\+\+)/.test(line) ? "hunk" : line.startsWith("+") ? "add" : line.startsWith("-") ? "remove" : null }, line || " ")));

  const transcript = cell => cell.transcript === undefined || !text(cell.transcript) ? [] :
    [heading("Transcript"), make("pre", { class: "text", tabindex: "0", "aria-label": "Transcript" }, text(cell.transcript))];

  // The heads of the columns stay in sight: at the top of the window, or of a matrix that is wider than it.
  const around = matrix.parentElement;
  new ResizeObserver(() => around.classList.toggle("fits", matrix.offsetWidth <= around.clientWidth)).observe(around);
  filter();
  show();
})();
