"use strict";
// What the scripts of all pages share: elements whose contents are text, never markup, and numbers as they are written everywhere.
const $ = id => document.getElementById(id);
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children.filter(child => child !== null));
  return made;
};
const number = (value, digits) => (value === null ? "—" : value.toFixed(digits).replace("-", "−"));
const percent = value => (value === null ? "—" : (100 * value).toFixed(1));
const titled = (title, ...children) => element("div", {}, element("h3", {}, title), ...children);
// A row of word, percent, bar and remark for each class.
const bars = rows => element("table", { class: "chances" }, element("tbody", {}, ...rows.map(([word, value, remark]) => {
  const bar = element("span", { class: "chance" });
  bar.style.width = `${100 * (value ?? 0)}%`;
  return element("tr", {}, element("th", { scope: "row" }, word), element("td", { class: "n" }, percent(value)),
    element("td", { class: "room" }, bar), element("td", {}, remark));
})));
