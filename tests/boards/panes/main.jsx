// Draws the panels of a board with Grafana's own components, from the board's JSON and answers of
// a real database (board.json), and says in window.__summary what stands in each.
import {
  FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, createDataFrame, createTheme,
  dataLinksOverrideProcessor, dateTime, displayNameOverrideProcessor, getFieldDisplayName,
  getFieldDisplayValues, identityOverrideProcessor, standardFieldConfigEditorRegistry,
  standardTransformers, standardTransformersRegistry, thresholdsOverrideProcessor,
  transformDataFrame, valueMappingsOverrideProcessor,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import {
  BarGauge, BigValue, PanelChrome, Table, ThemeContext, TimeSeries,
} from '@grafana/ui';
import React from 'react';
import { createRoot } from 'react-dom/client';

const CELL = 57, ROW = 38, GAP = 8;
const KINDS = ['stat', 'bargauge', 'table', 'timeseries'];
const STANDARD = {
  unit: identityOverrideProcessor, min: identityOverrideProcessor, max: identityOverrideProcessor,
  decimals: identityOverrideProcessor, displayName: displayNameOverrideProcessor,
  noValue: identityOverrideProcessor, thresholds: thresholdsOverrideProcessor,
  mappings: valueMappingsOverrideProcessor, links: dataLinksOverrideProcessor,
  color: identityOverrideProcessor,
};
const CUSTOM = ['drawStyle', 'fillOpacity', 'lineWidth', 'showPoints', 'spanNulls', 'stacking',
  'thresholdsStyle', 'cellOptions', 'minWidth'];
const option = (path, process, isCustom = false) => ({
  id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, process,
  override: () => null, editor: () => null, settings: {}, shouldApply: () => true,
});

standardFieldConfigEditorRegistry.setInit(
  () => Object.entries(STANDARD).map(([path, process]) => option(path, process)));
const transformers = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
standardTransformersRegistry.setInit(() => [...transformers.values()].map(
  (one) => ({ id: one.id, name: one.name, editor: () => null,
    transformation: () => Promise.resolve(one) })));
const registry = new FieldConfigOptionsRegistry(() => [
  ...standardFieldConfigEditorRegistry.list(),
  ...CUSTOM.map((path) => option(path, identityOverrideProcessor, true)),
]);
const theme = createTheme({ colors: { mode: 'light' } });
window.__summary = {};
window.__faults = [];
window.addEventListener('error', (event) => {
  window.__faults.push(event.message);
  window.__ready = true;
});

function transformed(panel, frames) {
  return new Promise((resolve, reject) => {
    const context = { interpolate: (text) => text };
    transformDataFrame(panel.transformations ?? [], frames, context).subscribe(resolve, reject);
  });
}

async function shown(panel, answers) {
  const frames = answers.map((one) => createDataFrame(one));
  return applyFieldOverrides({
    data: await transformed(panel, frames),
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
}

function text(field, value) {
  const one = field.display(value);
  return `${one.prefix ?? ''}${one.text}${one.suffix ?? ''}`;
}

function values(panel, frames) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions,
    data: frames, theme, replaceVariables: (one) => one, timeZone: 'utc',
  });
}

function summary(panel, frames) {
  if (panel.type === 'stat' || panel.type === 'bargauge') {
    return values(panel, frames).map(({ display }) => ({
      title: display.title, color: display.color,
      text: `${display.prefix ?? ''}${display.text}${display.suffix ?? ''}`,
    }));
  }
  if (panel.type === 'table') {
    const names = frames[0]?.fields.map((field) => getFieldDisplayName(field, frames[0])) ?? [];
    const rows = Array.from({ length: frames[0]?.length ?? 0 }, (_, row) =>
      frames[0].fields.map((field) => text(field, field.values[row])));
    return { names, rows };
  }
  return frames.flatMap((frame) => frame.fields.filter((one) => one.type === FieldType.number).map(
    (field) => ({
      title: getFieldDisplayName(field, frame, frames),
      text: text(field, field.values.filter((one) => one !== null).at(-1)),
      points: field.values.length,
    })));
}

function Inside({ panel, frames, range, width, height }) {
  const drawn = frames.filter((frame) => frame.length);
  if (!drawn.length) return <div>No data</div>;
  if (panel.type === 'timeseries') {
    return (
      <TimeSeries frames={drawn} width={width} height={height} timeZone="utc" timeRange={range}
        legend={panel.options.legend} options={panel.options}>{() => null}</TimeSeries>);
  }
  if (panel.type === 'table') {
    return <Table data={drawn[0]} width={width} height={height}
      columnMinWidth={panel.fieldConfig.defaults.custom.minWidth}
      initialSortBy={panel.options.sortBy} />;
  }
  const displays = values(panel, drawn);
  if (panel.type === 'stat') {
    return (
      <div style={{ display: 'flex', height }}>
        {displays.map((one, k) => <BigValue key={k} value={one.display} theme={theme}
          width={width / displays.length} height={height} colorMode={panel.options.colorMode}
          graphMode="none" textMode="auto" />)}
      </div>);
  }
  return displays.map((one, k) => <BarGauge key={k} value={one.display} field={one.field}
    theme={theme} display={one.view?.getFieldDisplayProcessor(one.colIndex)} width={width}
    height={Math.min(40, height / displays.length)} orientation="horizontal"
    displayMode={panel.options.displayMode} />);
}

class Guard extends React.Component {
  state = { fault: null };
  static getDerivedStateFromError(fault) { return { fault }; }
  componentDidCatch(fault) { window.__faults.push(`${this.props.name}: ${fault}`); }
  render() { return this.state.fault ? <pre>{String(this.state.fault)}</pre> : this.props.children; }
}

async function draw() {
  await initPluginTranslations('infragate');
  const { board, answers, from_ms, to_ms } = await (await fetch('board.json')).json();
  const range = { from: dateTime(from_ms), to: dateTime(to_ms),
    raw: { from: dateTime(from_ms), to: dateTime(to_ms) } };
  const panels = board.panels.filter((panel) => KINDS.includes(panel.type));
  const ready = await Promise.all(panels.map(
    async (panel) => [panel, await shown(panel, answers[panel.id] ?? [])]));
  for (const [panel, frames] of ready) window.__summary[panel.title] = summary(panel, frames);
  const boxes = ready.map(([panel, frames]) => {
    const { x, y, w, h } = panel.gridPos;
    const [width, height] = [w * CELL - GAP, h * ROW - GAP];
    return (
      <div key={panel.id} style={{ position: 'absolute', left: x * CELL + GAP, top: y * ROW + GAP }}>
        <Guard name={panel.title}>
          <PanelChrome title={panel.title} description={panel.description} width={width}
            height={height}>
            {(innerWidth, innerHeight) => <Inside panel={panel} frames={frames} range={range}
              width={innerWidth} height={innerHeight} />}
          </PanelChrome>
        </Guard>
      </div>);
  });
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <div style={{ fontFamily: 'Inter, Helvetica, sans-serif', fontSize: 14 }}>{boxes}</div>
    </ThemeContext.Provider>);
  requestAnimationFrame(() => setTimeout(() => { window.__ready = true; }, 500));
}

draw().catch((fault) => { window.__faults.push(String(fault?.stack ?? fault)); window.__ready = true; });
