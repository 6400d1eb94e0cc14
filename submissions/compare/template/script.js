"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
const FIRST_CARDS = 24;

for (const part of document.querySelectorAll(".dataset")) {
  const data = JSON.parse(part.querySelector(".data").textContent);
  part.querySelectorAll("table.sortable").forEach(sortable);
  const plots = part.querySelectorAll(".plot");
  const drawAll = () => plots.forEach((place) => draw(place, data.figures[place.dataset.figure]));
  drawAll();
  dark.addEventListener("change", drawAll);
  if (part.querySelector(".disagreements")) showDisagreements(part.querySelector(".disagreements"), data);
}

// A click on a column's head sorts by it; a second click reverses the order. Cells without a value stay last.
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
      const ascending = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -ascending : ascending;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}

// Plotly's figure in the page's colours.
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

// The images in this file on which two chosen submissions disagree; the first few, then all.
function showDisagreements(section, { images, names, disagreements, classes }) {
  const [form, more] = [section.querySelector("form"), section.querySelector(".more")];
  const setText = (where, text) => { section.querySelector(where).textContent = text; };
  const show = (most) => {
    const [one, other] = [Number(form.one.value), Number(form.other.value)];
    const disagreeing = images.filter((image) => disagree(image, one, other));
    const chosen = disagreeing.filter((image) => matches(image, one, other, form));
    form.right.disabled = form.part.value === "test";
    setText(".summary", one === other ? "Choose two different submissions." : disagreements[`${Math.min(one, other)}-${Math.max(one, other)}`]);
    setText(".status", `${chosen.length} of the ${disagreeing.length} such images in this page. The true class of a test image is not known.`);
    section.querySelector(".cards").replaceChildren(...chosen.slice(0, most).map((image) => card(image, [one, other], names, classes)));
    more.hidden = chosen.length <= most;
    more.textContent = `Show all ${chosen.length}`;
  };
  form.addEventListener("change", () => show(FIRST_CARDS));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    show(Infinity);
    section.querySelectorAll(".cards li")[FIRST_CARDS].focus();
  });
  show(FIRST_CARDS);
}

function disagree({ predicted }, one, other) {
  return predicted[one] !== predicted[other] && predicted[one] >= 0 && predicted[other] >= 0;
}

function matches({ part, predicted, true_class: trueClass }, one, other, form) {
  const [task, right] = [form.task.value, form.part.value === "test" ? "" : form.right.value];
  if (form.part.value && part !== form.part.value) return false;
  if (task && attributes(predicted[one])[task] === attributes(predicted[other])[task]) return false;
  if (!right) return true;
  if (trueClass === null) return false;
  return right === (predicted[one] === trueClass ? "one" : predicted[other] === trueClass ? "other" : "neither");
}

// mask, gender and age of a class
function attributes(label) {
  return [Math.floor(label / 6), Math.floor(label / 3) % 2, label % 3];
}

function card({ part, name, predicted, true_class: trueClass, src }, pair, names, classes) {
  const item = make("li");
  item.tabIndex = -1;
  const picture = src ? make("img") : make("div", "no image", "blank");
  if (src) Object.assign(picture, { src, alt: `${part === "test" ? "test image" : "training image"} ${name}` });
  const list = make("dl");
  for (const [own, other] of [pair, [...pair].reverse()]) {
    list.append(make("dt", names[own]), prediction(predicted[own], predicted[other], trueClass, classes));
  }
  if (trueClass !== null) list.append(make("dt", "true class"), make("dd", classes[trueClass]));
  const file = make("p", `${part === "test" ? "test" : "training"} · ${name}`, "file");
  file.title = name;
  list.append(file);
  item.append(picture, list);
  return item;
}

// A predicted class: the words in which the other submission differs in bold, and whether it is right, if that is known.
function prediction(label, otherLabel, trueClass, classes) {
  const line = make("dd", "", trueClass === null ? "" : label === trueClass ? "good" : "bad");
  const [own, other] = [attributes(label), attributes(otherLabel)];
  classes[label].split(" ").forEach((word, at) => line.append(at ? " " : "", make(own[at] === other[at] ? "span" : "b", word)));
  if (trueClass !== null) line.append("\u00a0", make("span", label === trueClass ? "✓" : "✗"), make("span", label === trueClass ? " right" : " wrong", "hidden"));
  return line;
}

function make(tag, text = "", kind = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}
