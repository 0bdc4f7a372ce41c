// The page of `unimse serve`: sends the form to /predict for the answer, then to /explain for what it rests on. Whatever it is told it shows as text.
(() => {
  const form = $("row"), fields = form.elements;
  const signed = (value, digits) => (value > 0 ? "+" : "") + number(value, digits);
  const points = value => (value === undefined ? "" : signed(100 * value, 1));

  // ---- the form ----
  const input = name => element("input", { name, autocomplete: "off", maxlength: name === "said" ? 20000 : 100 });
  const addTurn = side => {
    const turns = side.querySelector(".turns");
    const remove = element("button", { type: "button" }, "Remove");
    const turn = element("div", { class: "turn" }, fields.speaker ? element("label", {}, "Speaker ", input("by")) : null, element("label", { class: "wide" }, "Text ", input("said")), remove);
    const add = side.querySelector(".add"), limit = () => { add.disabled = turns.children.length >= Number(side.dataset.most); };
    remove.addEventListener("click", () => { turn.remove(); limit(); add.focus(); });
    turns.append(turn);
    limit();
    turn.querySelector("input").focus();
  };
  for (const side of form.querySelectorAll("fieldset")) side.querySelector(".add").addEventListener("click", () => addTurn(side));
  const spoken = (by, text) => (by.trim() ? { speaker: by.trim(), text } : text);
  const turns = side => [...document.querySelectorAll(`#${side} .turn`)].map(turn =>
    spoken(turn.querySelector("[name=by]")?.value ?? "", turn.querySelector("[name=said]").value));

  const drawn = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  // The file as it sounds over time: from the least to the greatest sample of each column.
  const waveform = sound => {
    const width = 340, height = 64, samples = sound.getChannelData(0), middle = height / 2;
    const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-6), y = sample => (middle - (middle - 1) * sample / loudest).toFixed(1);
    let path = `M0,${middle}H${width}`;
    for (let x = 0; x < width; x++) {
      let low = 0, high = 0;
      for (let at = Math.floor(x * samples.length / width); at < Math.floor((x + 1) * samples.length / width); at++) {
        low = Math.min(low, samples[at]);
        high = Math.max(high, samples[at]);
      }
      path += `M${x + 0.5},${y(high)}V${y(low)}`;
    }
    const seconds = `${number(sound.duration, 1)} seconds`;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Waveform of the chosen file, ${seconds}` });
    svg.append(drawn("path", { class: "wave", d: path }));
    return [svg, seconds];
  };
  const draw = async file => {
    $("wave").replaceChildren();
    if (!file) return;
    let shown;
    try {
      shown = waveform(await new OfflineAudioContext(1, 1, 16000).decodeAudioData(await file.arrayBuffer()));
    } catch {
      shown = ["The browser cannot read this file as sound."];
    }
    if (fields.clip.files[0] === file) $("wave").replaceChildren(...shown);
  };
  const player = form.querySelector("audio");
  const hear = () => {
    const file = fields.clip.files[0];
    if (player.src) URL.revokeObjectURL(player.src);
    if (file) player.src = URL.createObjectURL(file); else player.removeAttribute("src");
    $("hear").hidden = !file;
    draw(file);
  };
  if (player) {
    fields.clip.addEventListener("change", hear);
    $("no-clip").addEventListener("click", () => { fields.clip.value = ""; hear(); fields.clip.focus(); });
  }
  const base64 = file => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  const row = async () => {
    const row = { text: fields.text.value };
    if (fields.speaker?.value.trim()) row.speaker = fields.speaker.value.trim();
    for (const [side, name] of [["before", "context"], ["after", "context_after"]]) if ($(side)) row[name] = turns(side);
    if (player && fields.clip.files[0]) row.clip = { base64: await base64(fields.clip.files[0]) };
    return row;
  };

  // ---- the answer ----
  const show = (id, ...children) => document.querySelector(`#${id} .result`).replaceChildren(...children);
  const classes = (title, field) => field ? titled(title, bars(Object.entries(field.probabilities).map(([word, p]) => [word, p, word === field.label ? "answer" : ""]))) : null;
  const distribution = (scores, intensity) => {
    if (!intensity) return null;
    const width = 340, height = 130, left = 8, base = height - 20, most = Math.max(...scores.map(s => s.probability), 1e-9);
    const x = score => left + (width - 2 * left) * (score + 3) / 6, bar = (width - 2 * left) / Math.max(scores.length, 1);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Distribution of the score from −3 to 3; score ${number(intensity.value, 2)}` });
    for (const s of scores) {
      const tall = (base - 14) * s.probability / most;
      svg.append(drawn("rect", { class: "fill c0", x: x(s.score) - bar * 0.4, y: base - tall, width: bar * 0.8, height: tall }));
    }
    svg.append(drawn("line", { class: "axis", x1: left, x2: width - left, y1: base, y2: base }));
    for (let score = -3; score <= 3; score++) svg.append(drawn("text", { class: "tick", x: x(score), y: base + 15, "text-anchor": "middle" }, number(score, 0)));
    svg.append(drawn("line", { class: "whisker", x1: x(intensity.value), x2: x(intensity.value), y1: 8, y2: base }));
    const words = `Score ${number(intensity.value, 2)}; 80 % of the distribution lie from ${number(intensity.low, 2)} to ${number(intensity.high, 2)}.`;
    return titled("Intensity", element("figure", { tabindex: "0" }, svg, element("figcaption", {}, words)));
  };
  const table = (heads, rows) => element("div", { class: "scroll", tabindex: "0" }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map(([name, kind]) => element("th", { scope: "col", class: kind ?? null }, name)))),
    element("tbody", {}, ...rows.map(cells => element("tr", {}, ...cells.map((cell, at) => element("td", { class: heads[at][1] ?? null }, cell)))))));
  const soft = text => element("p", { class: "soft" }, text);

  const called = (part, row) => {
    const [, , name, at] = part.split("/");
    if (at === undefined) return name;
    const turn = row[name][Number(at)], text = turn.text ?? turn, cut = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    return `${name === "context" ? "before" : "after"} ${Number(at) + 1}: ${turn.speaker ? `${turn.speaker}: ` : ""}${cut}`;
  };
  const mattered = (found, row) => {
    if (!found.without.length) return [soft("There is nothing beside the text that could be left out.")];
    const answer = found.answer, shown = [
      [`polarity ${answer.polarity.label}`, w => points(w.polarity_change)],
      answer.meld && [`MELD ${answer.meld.label}`, w => points(w.meld_change)],
      answer.iemocap && [`IEMOCAP ${answer.iemocap.label}`, w => points(w.iemocap_change)],
      answer.intensity && ["score", w => signed(w.intensity_change, 2)],
    ].filter(Boolean);
    const heads = [["Left out"], ["Answer then"], ...shown.map(([name]) => [name, "n"])];
    const rows = found.without.map(w => [called(w.part, row), w.polarity, ...shown.map(([, value]) => value(w))]);
    return [soft("What each part adds: the probability of what was answered, in points of a hundred, and the score, with the part minus without it."), table(heads, rows)];
  };
  const nearest = found => {
    if (!found.nearest.length) return [soft("There are none: the run has no label tables here, or the row has no text.")];
    const lent = (n, field, value) => (value === null ? "—" : value + (n.borrowed.includes(field) ? " (borrowed)" : ""));
    const texts = found.nearest.some(n => n.text !== undefined), same = n => (n.polarity === found.answer.polarity.label ? "" : " (another)");
    const heads = [["Utterance"], ["Similarity", "n"], ["Polarity"], ["Intensity"], ["MELD"], ["IEMOCAP"], ...(texts ? [["Text"]] : [])];
    const rows = found.nearest.map(n => [`${n.corpus}/${n.utterance_id}`, number(n.similarity, 3), n.polarity + same(n),
      lent(n, "intensity", n.intensity === null ? null : number(n.intensity, 1)), lent(n, "meld", n.meld), lent(n, "iemocap", n.iemocap), ...(texts ? [n.text ?? ""] : [])]);
    return [soft("Those of the answered polarity could lend their labels to this utterance."), table(heads, rows)];
  };
  const answered = (answer, scores) => {
    const absent = Object.entries(answer.rests_on?.absent ?? {}).map(([modality, reason]) => `Answered without ${modality}: ${reason}.`);
    const notes = [...absent, ...answer.disagreements].map(text => element("p", { class: "notice" }, text));
    const fields = [classes("Polarity, %", answer.polarity), scores && distribution(scores, answer.intensity), classes("MELD, %", answer.meld), classes("IEMOCAP, %", answer.iemocap)];
    const voice = answer.rests_on?.voice ? [soft(`Read of the voice: ${answer.rests_on.voice}`)] : [];
    show("answer", element("div", { class: "answers" }, ...fields.filter(Boolean)), ...voice, ...notes);
  };

  // ---- asking ----
  const failed = text => { $("problem").textContent = text; $("problem").hidden = false; $("status").textContent = ""; };
  const post = async (path, body) => {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const said = await response.json();
    if (!response.ok) failed(said.detail);
    return response.ok ? said : null;
  };
  const ask = async () => {
    const asked = await row();
    const quick = await post("/predict", { rows: [asked] });
    if (!quick) return;
    answered(quick.answers[0], null);
    $("status").textContent = "Asking what it rests on …";
    const found = await post("/explain", { row: asked });
    if (!found) return;
    answered(found.answer, found.scores);
    show("context", ...mattered(found, asked));
    show("nearest", ...nearest(found));
    $("status").textContent = `Answered: ${found.answer.polarity.label}.`;
  };
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    $("problem").hidden = true;
    $("status").textContent = "Asking …";
    try { await ask(); } catch (error) { failed(`The program does not answer: ${error.message}`); }
    button.disabled = false;
  });
})();
