(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("figures").textContent);

  // "--name" in a figure's looks is the page's colour of that name, as it is now.
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
        ["marker", "line", "error_x", "error_y", "fillcolor"].forEach(function (look) {
          if (trace[look]) { copy[look] = coloured(trace[look], style); }
        });
        return copy;
      });
      Plotly.react(id, data, coloured(figure.layout, style), { responsive: true, displayModeBar: false });
    });
  }

  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.matchMedia("print").addEventListener("change", draw);  // paper is always light
})();
