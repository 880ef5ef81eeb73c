// SPDX-License-Identifier: Apache-2.0
#include "flame_graph_page.hpp"

namespace coroscope::report::detail {

// The page builds its elements from the data with textContent, so that a name is never markup.
const std::string_view flame_graph_page_head = R"html(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>flame graph</title>
<style>
body { font: 13px sans-serif; margin: 12px; }
h1 { font-size: 16px; margin: 0 0 8px; }
#graph { position: relative; margin-top: 8px; }
#graph div { position: absolute; box-sizing: border-box; height: 18px; line-height: 17px;
  overflow: hidden; white-space: nowrap; padding-left: 3px; border: 1px solid #fff;
  border-radius: 2px; font-size: 12px; color: #111; cursor: pointer; }
#graph div.found { background: #c6f !important; }
#info { min-height: 18px; margin-top: 8px; }
</style>
<h1 id="title"></h1>
<input id="search" type="search" placeholder="mark what contains" aria-label="mark what contains">
<button id="reset" type="button">whole graph</button>
<span id="matched"></span>
<div id="graph"></div>
<div id="info"></div>
<script id="data" type="application/json">)html";

const std::string_view flame_graph_page_tail = R"html(</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const graph = document.getElementById("graph");
const nodes = data.nodes.map(([parent, frame, value]) => ({ parent, frame, value, children: [] }));
nodes.forEach((node, i) => { if (i > 0) nodes[node.parent].children.push(node); });
nodes.forEach((node, i) => {
  node.depth = i === 0 ? 0 : nodes[node.parent].depth + 1;
  node.children.sort((a, b) => b.value - a.value);
});
let zoomed = nodes[0], wanted = "";
const row = 18;

function amount(value) {
  const scales = { nanoseconds: [[1e9, "s"], [1e6, "ms"], [1e3, "\u00b5s"], [1, "ns"]],
    bytes: [[1073741824, "GiB"], [1048576, "MiB"], [1024, "KiB"], [1, "B"]] }[data.unit];
  if (!scales) return value.toLocaleString() + " " + data.unit;
  const [size, name] = scales.find(([size]) => value >= size) || scales[scales.length - 1];
  return (value / size).toPrecision(3) + " " + name;
}
function text(node) {
  const frame = data.frames[node.frame];
  const share = nodes[0].value > 0 ? 100 * node.value / nodes[0].value : 100;
  return frame.name + (frame.place ? " (" + frame.place + ")" : "")
    + ", " + amount(node.value) + ", " + share.toFixed(2) + " %";
}
function matches(node) {
  const frame = data.frames[node.frame];
  return wanted !== "" && (frame.name + " " + (frame.place || "")).toLowerCase().includes(wanted);
}
function colour(name) {
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  return name.startsWith("[") ? "#ccc" : "hsl(" + (10 + hash % 45) + ",85%," + (60 + hash % 15) + "%)";
}
function draw(node, left, width) {
  const name = data.frames[node.frame].name;
  const box = document.createElement("div");
  box.textContent = name;
  box.title = text(node);
  box.style.left = left + "%";
  box.style.width = width + "%";
  box.style.top = node.depth * row + "px";
  box.style.background = colour(name);
  if (matches(node)) box.className = "found";
  box.onclick = () => { zoomed = node; show(); };
  box.onmouseenter = () => { document.getElementById("info").textContent = text(node); };
  graph.appendChild(box);
}
function show() {
  graph.textContent = "";
  let deepest = zoomed.depth;
  for (let node = zoomed; node !== nodes[0];) { node = nodes[node.parent]; draw(node, 0, 100); }
  const open = [[zoomed, 0, 100]];
  while (open.length > 0) {
    const [node, left, width] = open.pop();
    draw(node, left, width);
    deepest = Math.max(deepest, node.depth);
    let from = left;
    for (const child of node.children) {
      const part = width * child.value / node.value;
      if (part >= 0.05) open.push([child, from, part]);
      from += part;
    }
  }
  graph.style.height = (deepest + 1) * row + "px";
}
function search() {
  wanted = document.getElementById("search").value.toLowerCase();
  const inside = new Set();
  let sum = 0;
  nodes.forEach((node, i) => {
    const covered = i > 0 && inside.has(nodes[node.parent]);
    if (!covered && matches(node)) sum += node.value;
    if (covered || matches(node)) inside.add(node);
  });
  document.getElementById("matched").textContent = wanted === "" ? "" : "marked: " + amount(sum);
  show();
}
document.title = document.getElementById("title").textContent = data.title;
document.getElementById("search").oninput = search;
document.getElementById("reset").onclick = () => { zoomed = nodes[0]; show(); };
show();
</script>
</html>
)html";

}  // namespace coroscope::report::detail
