// The error browser of a report: reads the rows embedded in the page, filters, sorts and shows them a page at a time.
// It asks for nothing outside the page, and writes whatever the data say as text, never as markup.
(() => {
  const PAGE = 100, AROUND = 3;
  const data = JSON.parse($("utterance-data").textContent);

  // ---- the rows: what src/browse/pack.rs wrote ----
  const numbers = ({ low, width, digits }) => {
    const column = new Array(data.rows).fill(null);
    for (let row = 0; width > 0 && row < data.rows; row++) {
      const code = parseInt(digits.slice(row * width, (row + 1) * width), 36);
      if (code > 0) column[row] = code - 1 + low;
    }
    return column;
  };
  const strings = coded => {
    let last = "";
    return coded.map(item => (last = last.slice(0, parseInt(item[0], 36)) + item.slice(1)));
  };
  const columns = {};
  for (const [name, column] of Object.entries(data.columns)) columns[name] = numbers(column);
  const name = (column, row) => { const at = columns[column][row]; return at === null ? null : data.names[at]; };
  const share = (column, row) => { const value = columns[column][row]; return value === null ? null : value / 1000; };
  const ids = strings(data.ids), donors = strings(data.donors);

  const taxonomies = new Map(Object.entries(data.taxonomies));
  const rows = ids.map((id, at) => {
    const corpus = name("corpus", at), taxonomy = taxonomies.get(corpus) ?? null;
    const classes = data.classes[taxonomy ?? "polarity"];
    const probabilities = classes.map((c, i) => [c, share(`${taxonomy ? "emotion" : "polarity"}.${i}`, at)]);
    const truth = name(taxonomy ? "truth_emotion" : "truth_polarity", at);
    const answer = name(taxonomy ?? "polarity", at);
    const of = wanted => { const found = probabilities.find(([c]) => c === wanted); return found ? found[1] : null; };
    const [score, gold] = [share("score", at), share("truth_score", at)];
    return {
      at, id, corpus, taxonomy, probabilities, truth, answer, score, gold, split: name("split", at),
      confidence: of(answer), given: of(truth), off: taxonomy || score === null || gold === null ? null : Math.abs(score - gold),
      right: truth === null ? null : truth === answer, words: columns.words[at],
      audio: columns.audio[at] === 1, video: columns.video[at] === 1, text: data.texts ? data.texts[at] : null,
      key: `${corpus}/${id}`, sought: `${corpus}/${id} ${data.texts ? data.texts[at] ?? "" : ""}`.toLowerCase(),
    };
  });
  const byKey = new Map(rows.map(row => [row.key, row]));

  // ---- elements ----
  const link = row => element("a", { href: `#utterance=${encodeURIComponent(row.corpus)}/${encodeURIComponent(row.id)}` }, row.key);
  const outcome = row => (row.right === null ? "no gold" : row.right ? "right" : "wrong");
  const scored = (word, value, row) => (word ?? "—") + (row.taxonomy || value === null ? "" : ` ${number(value, 2)}`);

  // ---- what is shown ----
  const filters = $("utterance-filters"), body = $("utterance-rows"), heads = [...document.querySelectorAll("#utterance-table th[data-key]")];
  const state = { shown: rows, page: 0, key: "at", descending: false, open: null };
  const values = {
    at: row => row.at, split: row => row.split, truth: row => row.truth, answer: row => row.answer, right: outcome,
    confidence: row => row.confidence, given: row => row.given, off: row => row.off, words: row => row.words,
  };

  const INPUTS = { audio: r => r.audio, "no-audio": r => !r.audio, video: r => r.video, "no-video": r => !r.video, text: r => !r.audio && !r.video };
  const wanted = () => {
    const chosen = Object.fromEntries(new FormData(filters));
    const equal = (field, value) => chosen[field] === "" || chosen[field] === value;
    const bound = (field, none) => (chosen[field] === "" ? none : Number(chosen[field]));
    const [low, high] = [bound("low", -Infinity), bound("high", Infinity)], [few, many] = [bound("few", 0), bound("many", Infinity)];
    const words = chosen.search.toLowerCase(), inputs = INPUTS[chosen.inputs] ?? (() => true);
    return row => equal("corpus", row.corpus) && equal("split", row.split) && equal("outcome", outcome(row))
      && equal("truth", row.truth) && equal("answer", row.answer) && inputs(row)
      && (row.confidence === null ? low <= 0 && high >= 100 : 100 * row.confidence >= low && 100 * row.confidence <= high)
      && row.words >= few && row.words <= many && row.sought.includes(words);
  };
  const select = () => {
    const value = values[state.key], sign = state.descending ? -1 : 1;
    const keyed = rows.filter(wanted()).map(row => [value(row), row]);
    keyed.sort(([a, x], [b, y]) => {
      if (a === null || b === null) return (a === null) - (b === null) || x.at - y.at; // what has no value comes last
      return (a < b ? -sign : a > b ? sign : 0) || x.at - y.at;
    });
    state.shown = keyed.map(([, row]) => row);
    state.page = 0;
  };

  const cells = row => {
    const plain = (text, kind = null) => element("td", { class: kind }, text);
    return [
      element("th", { scope: "row" }, link(row)), plain(row.split), plain(scored(row.truth, row.gold, row)),
      plain(scored(row.answer, row.score, row)), plain(outcome(row), row.right === false ? "wrong" : null),
      plain(percent(row.confidence), "n"), plain(percent(row.given), "n"), plain(number(row.off, 2), "n"), plain(String(row.words), "n"),
      plain(["text", row.audio ? "audio" : null, row.video ? "video" : null].filter(Boolean).join(" + ")),
    ];
  };
  const render = () => {
    const pages = Math.max(1, Math.ceil(state.shown.length / PAGE)), count = n => n.toLocaleString("en");
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const page = state.shown.slice(state.page * PAGE, (state.page + 1) * PAGE);
    body.replaceChildren(...page.flatMap(row => {
      const open = row === state.open;
      const line = element("tr", { "data-at": row.at, "aria-current": open ? "true" : null }, ...cells(row));
      return open ? [line, details(row)] : [line];
    }));
    $("utterance-count").textContent = `${count(state.shown.length)} of ${count(rows.length)} utterances, page ${count(state.page + 1)} of ${count(pages)}`;
    $("utterance-previous").disabled = state.page === 0;
    $("utterance-next").disabled = state.page === pages - 1;
    for (const head of heads) {
      const sorted = head.dataset.key === state.key;
      if (sorted) head.setAttribute("aria-sort", state.descending ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
    }
  };

  // ---- one utterance ----
  const list = items => element("ul", {}, ...items.map(item => element("li", {}, ...[item].flat())));
  const said = row => titled("Truth and answer", list([
    `truth: ${scored(row.truth, row.gold, row)}`,
    `answer: polarity ${name("polarity", row.at) ?? "—"}, intensity ${number(row.score, 2)}, MELD ${name("meld", row.at) ?? "—"}, IEMOCAP ${name("iemocap", row.at) ?? "—"}`,
  ]));
  const mark = (word, row) => [word === row.truth ? "truth" : null, word === row.answer ? "answer" : null].filter(Boolean).join(", ");
  const chances = row => titled("Probabilities, %", bars(row.probabilities.map(([word, value]) => [word, value, mark(word, row)])));
  const lent = row => {
    const fields = ["intensity", "meld", "iemocap"].filter(field => columns[`label.${field}.source`][row.at] !== null);
    if (!fields.length) return titled("Universal label", element("p", {}, "none"));
    return titled("Universal label", list(fields.map(field => {
      const value = field === "intensity" ? number(share("label.intensity", row.at), 2) : name(`label.${field}`, row.at) ?? "—";
      const donor = columns[`label.${field}.donor`][row.at], similarity = share(`label.${field}.similarity`, row.at);
      const words = `${field} ${value} (${name(`label.${field}.source`, row.at)})`;
      if (donor === null) return words;
      return [`${words} from `, element("code", {}, donors[donor]), `, similarity ${number(similarity, 3)}`];
    })));
  };
  const around = row => {
    const same = other => other && other.corpus === row.corpus && columns.dialogue[other.at] === columns.dialogue[row.at];
    const near = [];
    for (let at = row.at - AROUND; at <= row.at + AROUND; at++) if (same(rows[at])) near.push(rows[at]);
    return titled("In its dialogue or video", element("ol", {}, ...near.map(other => element("li", { "aria-current": other === row ? "true" : null },
      link(other), ` ${scored(other.truth, other.gold, other)} → ${scored(other.answer, other.score, other)} (${outcome(other)})`,
      other.text === null ? null : element("q", {}, other.text)))));
  };
  const details = row => {
    const text = row.text === null
      ? element("p", { class: "soft" }, "The transcript is not in this file: unimse report --with-text embeds it.")
      : element("blockquote", {}, row.text);
    return element("tr", { class: "details" }, element("td", { colspan: heads.length + 1 },
      text, element("div", { class: "facts" }, said(row), chances(row), lent(row), around(row))));
  };

  // ---- moving about ----
  const lineOf = row => body.querySelector(`tr[data-at="${row.at}"]`);
  const focus = row => {
    const line = lineOf(row);
    line.querySelector("a").focus({ preventScroll: true });
    line.scrollIntoView({ block: row === state.open ? "start" : "nearest" });
  };
  const turnTo = row => { state.page = Math.floor(state.shown.indexOf(row) / PAGE); render(); };
  const openFragment = () => {
    const parts = /^#utterance=([^/]*)\/(.*)$/.exec(location.hash);
    let row = null;
    try { row = parts && byKey.get(`${decodeURIComponent(parts[1])}/${decodeURIComponent(parts[2])}`); } catch { /* no such escape */ }
    $("utterance-unknown").hidden = !parts || Boolean(row);
    if (parts && !row) $("utterance-unknown").scrollIntoView({ block: "center" });
    const before = state.open;
    state.open = row || null;
    if (!row) return before ? render() : undefined;
    if (!state.shown.includes(row)) { filters.reset(); select(); }
    turnTo(row);
    focus(row);
  };
  const close = () => {
    const row = state.open;
    history.replaceState(null, "", "#utterances");
    state.open = null;
    render();
    if (lineOf(row)) focus(row);
  };
  const step = by => {
    const line = document.activeElement.closest("#utterance-rows tr[data-at]");
    const from = line ? state.shown.indexOf(rows[Number(line.dataset.at)]) : state.page * PAGE - (by > 0 ? 1 : 0);
    const row = state.shown[from + by];
    if (!row) return;
    if (!lineOf(row)) turnTo(row);
    focus(row);
  };
  document.addEventListener("keydown", event => {
    const active = document.activeElement, typing = ["INPUT", "SELECT", "TEXTAREA"].includes(active.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey || !(active === document.body || $("utterances").contains(active))) return;
    if (event.key === "Escape" && state.open) close();
    else if (typing) return;
    else if (event.key === "/") filters.elements.search.focus();
    else if (event.key === "j" || (event.key === "ArrowDown" && active !== document.body)) step(1);
    else if (event.key === "k" || (event.key === "ArrowUp" && active !== document.body)) step(-1);
    else return;
    event.preventDefault();
  });

  const turn = by => { state.page += by; render(); };
  $("utterance-previous").addEventListener("click", () => turn(-1));
  $("utterance-next").addEventListener("click", () => turn(1));
  filters.addEventListener("input", () => { select(); render(); });
  filters.addEventListener("reset", () => setTimeout(() => { select(); render(); }));
  filters.addEventListener("submit", event => event.preventDefault());
  for (const head of heads) head.querySelector("button").addEventListener("click", () => {
    state.descending = state.key === head.dataset.key && !state.descending;
    state.key = head.dataset.key;
    select();
    render();
  });

  const offer = (field, choices) => filters.elements[field].append(...[...new Set(choices)].filter(Boolean).sort().map(choice => element("option", { value: choice }, choice)));
  offer("corpus", rows.map(row => row.corpus));
  offer("split", rows.map(row => row.split));
  offer("truth", rows.map(row => row.truth));
  offer("answer", rows.map(row => row.answer));
  $("utterance-needs-script").hidden = true;
  $("utterance-browser").hidden = false;
  render();
  openFragment();
  addEventListener("hashchange", openFragment);
})();
