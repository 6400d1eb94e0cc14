"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const FEW = 24;

for (const part of document.querySelectorAll(".dataset")) {
  const data = JSON.parse(part.querySelector(".data").textContent);
  part.querySelectorAll("table.sortable").forEach(sortable);
  const plots = part.querySelectorAll(".plot");
  const drawn = () => plots.forEach((place) => draw(place, data.figures[place.dataset.figure]));
  drawn();
  dark.addEventListener("change", drawn);
  if (part.querySelector(".contested")) contested(part.querySelector(".contested"), data);
}

// A click on a column's head sorts by it; a second one turns the order round. Cells without a value stay last.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const ahead = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -ahead : ahead;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}

// Plotly's figure in the page's own colours.
function draw(place, figure) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const layout = structuredClone(figure.layout);
  const traces = structuredClone(figure.data);
  layout.font = { color: colour("--ink"), size: 13, family: getComputedStyle(document.body).fontFamily };
  layout.hoverlabel = { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } };
  for (const axis of [layout.xaxis, layout.yaxis]) Object.assign(axis, { gridcolor: colour("--line"), linecolor: colour("--line") });
  for (const shape of layout.shapes ?? []) shape.line.color = colour("--quiet");
  traces.forEach((trace, number) => {
    if (trace.type === "heatmap") Object.assign(trace, { colorscale: [[0, colour("--cold")], [1, colour("--warm")]], textfont: { color: colour("--ink"), size: 12 } });
    else {
      trace.marker.color = trace.error_x.color = colour(number ? "--second" : "--accent");
      trace.marker.line.color = colour("--card");
      trace.textfont = { color: colour("--card"), size: 12 };
    }
  });
  if (layout.meta) Object.assign(place.style, { minWidth: `${layout.meta.least}px`, maxWidth: `${layout.meta.most}px` });
  Plotly.react(place, traces, layout, { responsive: true, displayModeBar: false });
}

// Two chosen submissions: the images on which they differ, as far as they are in this file; a few, then all.
function contested(section, { images, names, disputes, classes }) {
  const [form, more] = [section.querySelector("form"), section.querySelector(".more")];
  const say = (where, text) => { section.querySelector(where).textContent = text; };
  const show = (most) => {
    const [one, other] = [Number(form.one.value), Number(form.other.value)];
    const theirs = images.filter((image) => differ(image, one, other));
    const chosen = theirs.filter((image) => wanted(image, one, other, form));
    form.right.disabled = form.part.value === "test";
    say(".dispute", one === other ? "Choose two different submissions." : disputes[`${Math.min(one, other)}-${Math.max(one, other)}`]);
    say(".status", `${chosen.length} of the ${theirs.length} such images that this page holds. The truth of test images is not known.`);
    section.querySelector(".cards").replaceChildren(...chosen.slice(0, most).map((image) => card(image, [one, other], names, classes)));
    more.hidden = chosen.length <= most;
    more.textContent = `Show all ${chosen.length}`;
  };
  form.addEventListener("change", () => show(FEW));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    show(Infinity);
    section.querySelectorAll(".cards li")[FEW].focus();
  });
  show(FEW);
}

function differ({ said }, one, other) {
  return said[one] !== said[other] && said[one] >= 0 && said[other] >= 0;
}

function wanted({ part, said, truth }, one, other, form) {
  const [task, right] = [form.task.value, form.part.value === "test" ? "" : form.right.value];
  if (form.part.value && part !== form.part.value) return false;
  if (task && attributes(said[one])[task] === attributes(said[other])[task]) return false;
  if (!right) return true;
  if (truth === null) return false;
  return right === (said[one] === truth ? "one" : said[other] === truth ? "other" : "neither");
}

// mask, gender and age of a class
function attributes(label) {
  return [Math.floor(label / 6), Math.floor(label / 3) % 2, label % 3];
}

function card({ part, name, said, truth, src }, pair, names, classes) {
  const item = make("li");
  item.tabIndex = -1;
  const picture = src ? make("img") : make("div", "no picture", "blank");
  if (src) Object.assign(picture, { src, alt: `${part === "test" ? "test image" : "training image"} ${name}` });
  const list = make("dl");
  for (const which of pair) {
    list.append(make("dt", names[which]), answer(said[which], said[pair[0] === which ? pair[1] : pair[0]], truth, classes));
  }
  if (truth !== null) list.append(make("dt", "truth"), make("dd", classes[truth]));
  const file = make("p", `${part === "test" ? "test" : "training"} · ${name}`, "file");
  file.title = name;
  list.append(file);
  item.append(picture, list);
  return item;
}

// A class in words, what the other says otherwise in bold, and whether it is right where that is known.
function answer(label, others, truth, classes) {
  const line = make("dd", "", truth === null ? "" : label === truth ? "good" : "bad");
  const [mine, theirs] = [attributes(label), attributes(others)];
  classes[label].split(" ").forEach((word, at) => line.append(at ? " " : "", make(mine[at] === theirs[at] ? "span" : "b", word)));
  if (truth !== null) line.append("\u00a0", make("span", label === truth ? "✓" : "✗"), make("span", label === truth ? " right" : " not right", "hidden"));
  return line;
}

function make(tag, text = "", kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
