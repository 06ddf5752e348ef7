(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  // "--name" in a figure is the page's colour of that name, as it is now.
  function coloured(value, style) {
    if (typeof value === "string") {
      return value.slice(0, 2) === "--" ? style.getPropertyValue(value).trim() : value;
    }
    if (Array.isArray(value)) {
      return value.map(function (item) { return coloured(item, style); });
    }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) { copy[key] = coloured(value[key], style); });
      return copy;
    }
    return value;
  }

  function draw() {
    var style = getComputedStyle(document.documentElement);
    Object.keys(figures).forEach(function (id) {
      var figure = figures[id];
      // x, y and labels are data: only looks hold colour names.
      var data = figure.data.map(function (trace) {
        var copy = Object.assign({}, trace);
        copy.marker = coloured(trace.marker, style);
        return copy;
      });
      Plotly.react(id, data, coloured(figure.layout, style), { responsive: true, displayModeBar: false });
    });
  }

  draw();
  dark.addEventListener("change", draw);
  window.matchMedia("print").addEventListener("change", draw);  // paper is always light
})();
