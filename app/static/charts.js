// Charts of the tables beside them: what is drawn is what stands in the table, and a line without a value has no bar.
//
// <figure class="chart" data-table="id" data-kind="bar|line"> with a canvas, a choice of columns and a button.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = '"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", system-ui, sans-serif';
const BAR = 26;
const MOST_BARS = 40;
const MOST_LABELS = 6;

function read(table, name) {
  const column = [...table.querySelectorAll("thead th")].findIndex((th) => th.dataset.head === name);
  const lines = [...table.querySelectorAll("tbody tr:not(.more)")].map((tr) => {
    const cell = tr.querySelector(`td[data-head="${name}"]`);
    const value = cell.dataset.value;
    return {
      name: tr.querySelector("th[scope=row]").dataset.name,
      value: value === "" ? null : Number(value),
      shown: cell.textContent.trim(),
      rings: "rings" in tr.dataset,
    };
  });
  return { label: column < 0 ? name : table.querySelectorAll("thead th")[column].dataset.label, lines };
}

// Of many points the first and the last have their figures beside them, and the greatest and the least.
function speaks(lines, index) {
  if (lines.length <= MOST_LABELS) return true;
  const values = lines.map((line) => line.value).filter((value) => value !== null);
  return [0, lines.length - 1].includes(index) || [Math.max(...values), Math.min(...values)]
    .some((value) => lines.findIndex((line) => line.value === value) === index);
}

function options(kind, { label, lines }) {
  const ink = style("--ink-2");
  const text = { color: ink, fontFamily: FONT, fontSize: 12 };
  const names = { type: "category", data: lines.map((line) => line.name), axisLabel: { ...text, hideOverlap: true } };
  const whole = lines.every((line) => line.value === null || Number.isInteger(line.value));
  const amounts = { type: "value", minInterval: whole ? 1 : 0, axisLabel: text, splitLine: { lineStyle: { color: style("--line") } } };
  const colour = (line) => (line.rings ? style("--bad") : style("--accent"));
  const series = {
    name: label,
    type: kind,
    barMaxWidth: 18,
    connectNulls: false,
    symbolSize: 7,
    data: lines.map((line) => ({ value: line.value, itemStyle: { color: colour(line) } })),
    lineStyle: { color: style("--accent") },
    label: {
      show: lines.length <= MOST_BARS,
      position: kind === "bar" ? "right" : "top",
      formatter: ({ dataIndex }) => (kind === "bar" || speaks(lines, dataIndex) ? lines[dataIndex].shown : ""),
      ...text,
    },
  };
  return {
    animation: false,
    title: { text: label, left: 0, textStyle: { ...text, fontSize: 13, color: style("--ink") } },
    grid: { left: 8, right: 64, top: kind === "bar" ? 36 : 56, bottom: 8, containLabel: true },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // HTML would bring inline styles, which no page of ours allows
      textStyle: { fontFamily: FONT },
      formatter: ([{ dataIndex }]) => `${lines[dataIndex].name}\n${label} ${lines[dataIndex].shown}`,
    },
    xAxis: kind === "bar" ? amounts : names,
    yAxis: kind === "bar" ? { ...names, inverse: true } : { ...amounts, scale: true },
    dataZoom: lines.length > MOST_BARS && kind === "bar" ? [{ type: "slider", yAxisIndex: 0, endValue: MOST_BARS - 1 }] : [],
    series: [series],
  };
}

function draw(figure) {
  const table = document.getElementById(figure.dataset.table);
  const kind = figure.dataset.kind;
  const place = figure.querySelector(".chart-canvas");
  const choice = figure.querySelector("select");
  const chart = echarts.init(place, null, { renderer: "canvas" });

  function show() {
    const told = read(table, choice.value);
    const bars = Math.min(told.lines.length, MOST_BARS);
    const height = kind === "bar" ? Math.max(160, bars * BAR + 56) : 240;
    place.style.height = `${height}px`;
    chart.resize({ height });
    chart.setOption(options(kind, told), { notMerge: true });
    place.setAttribute("aria-label", `${told.label}: ${told.lines.map((line) => `${line.name} ${line.shown}`).join("; ")}`);
    figure.dataset.drawn = choice.value;
  }

  figure.querySelector("button").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = chart.getDataURL({ pixelRatio: 2, backgroundColor: style("--surface") });
    link.download = `${figure.dataset.name}-${read(table, choice.value).label}.png`;
    link.click();
  });
  choice.addEventListener("change", show);
  new ResizeObserver(() => chart.resize()).observe(place);
  new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  show();
}

document.querySelectorAll("figure.chart").forEach(draw);
