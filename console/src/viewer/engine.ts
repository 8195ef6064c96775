// SPDX-License-Identifier: Apache-2.0
// Cornerstone3D behind a small door.  Loaded only when somebody looks at an image.
import { Enums, init as initCore, RenderingEngine, type StackViewport, type Types } from '@cornerstonejs/core';
import { init as initLoader } from '@cornerstonejs/dicom-image-loader';
import { utilities as headers } from '@cornerstonejs/metadata';
import {
  addTool,
  annotation,
  init as initTools,
  LengthTool,
  PanTool,
  ProbeTool,
  StackScrollTool,
  Enums as ToolEnums,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
} from '@cornerstonejs/tools';
import { authorization } from '../api/http';
import { metadata, resource, type Uids } from '../dicomweb/client';
import { type DataSet, number, text } from '../dicomweb/model';

const tools = { window: WindowLevelTool, pan: PanTool, zoom: ZoomTool, length: LengthTool, probe: ProbeTool } as const;
export type ToolName = keyof typeof tools;

const hydrate = { probe: ProbeTool.hydrate, length: LengthTool.hydrate };

let started: Promise<void> | undefined;

/** Start the libraries, once. */
export function start(): Promise<void> {
  started ??= (async () => {
    initCore();
    await initLoader({
      maxWebWorkers: Math.max(1, Math.floor((navigator.hardwareConcurrency || 2) / 2)),
      beforeSend: () => authorization(),
    });
    initTools();
    for (const tool of [...Object.values(tools), StackScrollTool]) addTool(tool);
  })();
  return started;
}

const uidsOf = (instance: DataSet): Uids => ({
  study: text(instance, 'StudyInstanceUID'),
  series: text(instance, 'SeriesInstanceUID'),
  instance: text(instance, 'SOPInstanceUID'),
});

export interface StackImage {
  imageId: string;
  instance: DataSet;
  frame: number;
}

/** Position along the normal of the image plane, in mm; undefined where there is no geometry. */
function position(instance: DataSet): number | undefined {
  const at = instance['00200032']?.Value as number[] | undefined;
  const axes = instance['00200037']?.Value as number[] | undefined;
  if (at?.length !== 3 || axes?.length !== 6) return undefined;
  const [rx, ry, rz, cx, cy, cz] = axes.map(Number) as [number, number, number, number, number, number];
  const [x, y, z] = at.map(Number) as [number, number, number];
  return x * (ry * cz - rz * cy) + y * (rz * cx - rx * cz) + z * (rx * cy - ry * cx);
}

/** By Instance Number as the series was numbered, else by place, else as they came. */
export function inOrder(instances: DataSet[]): DataSet[] {
  const keyed = instances.map((instance, index) => ({
    instance,
    index,
    number: number(instance, 'InstanceNumber'),
    place: position(instance),
  }));
  keyed.sort(
    (a, b) =>
      (a.number ?? Number.POSITIVE_INFINITY) - (b.number ?? Number.POSITIVE_INFINITY) ||
      (a.place ?? 0) - (b.place ?? 0) ||
      a.index - b.index,
  );
  return keyed.map((entry) => entry.instance);
}

/** The frames of a series that can be shown, their headers given to the loader. */
export function stackOf(instances: DataSet[]): Promise<StackImage[]> {
  return toStack(inOrder(instances.filter((instance) => text(instance, 'Modality') !== 'SEG')));
}

/** The frames of some instances, in their order. */
export async function loadInstances(uids: Uids[], signal?: AbortSignal): Promise<StackImage[]> {
  const found = await Promise.all(uids.map((one) => metadata(one, signal)));
  return toStack(found.flatMap((instances) => instances.slice(0, 1)));
}

async function toStack(instances: DataSet[]): Promise<StackImage[]> {
  await start();
  const images = instances
    .filter((instance) => number(instance, 'Rows'))
    .flatMap((instance) => {
      const frames = number(instance, 'NumberOfFrames') ?? 1;
      return Array.from({ length: frames }, (_, index) => {
        const frame = index + 1;
        const imageId = `wadors:${location.origin}${resource(uidsOf(instance))}/frames/${frame}`;
        return { imageId, instance, frame };
      });
    });
  await Promise.all(images.map(({ imageId, instance }) => headers.addDicomWebInstance(imageId, instance)));
  return images;
}

export interface Window {
  center: number;
  width: number;
}

const samePan = (one: Types.Point2, other: Types.Point2) =>
  Math.abs(one[0] - other[0]) < 1e-3 && Math.abs(one[1] - other[1]) < 1e-3;

/** The values that are black and white (PS3.3 section C.11.2.1.2.1). */
const toRange = ({ center, width }: Window) => ({
  lower: center - 0.5 - (width - 1) / 2,
  upper: center - 0.5 + (width - 1) / 2,
});
const fromRange = (range: { lower: number; upper: number }): Window => ({
  center: (range.lower + range.upper) / 2 + 0.5,
  width: range.upper - range.lower + 1,
});

/** In pixels of the page, from the corner of the viewport. */
export interface Point {
  x: number;
  y: number;
}

export interface ViewEvents {
  onSlice?: (index: number) => void;
  onCamera?: () => void;
  onWindow?: (window: Window) => void;
  onRendered?: () => void;
}

/** One viewport that shows a stack. */
export class View {
  readonly viewport: StackViewport;
  #element: HTMLDivElement;
  #abort = new AbortController();

  constructor(viewport: StackViewport, element: HTMLDivElement, events: ViewEvents) {
    this.viewport = viewport;
    this.#element = element;
    this.#listen(Enums.Events.STACK_NEW_IMAGE, () => events.onSlice?.(this.slice));
    this.#listen(Enums.Events.VOI_MODIFIED, () => {
      const window = this.window;
      if (window) events.onWindow?.(window);
    });
    this.#listen(Enums.Events.CAMERA_MODIFIED, () => events.onCamera?.());
    this.#listen(Enums.Events.IMAGE_RENDERED, () => events.onRendered?.());
  }

  #listen(name: string, handler: () => void): void {
    this.#element.addEventListener(name, handler, { signal: this.#abort.signal });
  }

  get slice(): number {
    return this.viewport.getCurrentImageIdIndex();
  }

  get window(): Window | undefined {
    const range = this.viewport.getProperties().voiRange;
    return range ? fromRange(range) : undefined;
  }

  async show(images: StackImage[], index: number): Promise<void> {
    await this.viewport.setStack(
      images.map((image) => image.imageId),
      Math.min(Math.max(index, 0), images.length - 1),
    );
    this.viewport.render();
  }

  async goTo(index: number): Promise<void> {
    const last = this.viewport.getImageIds().length - 1;
    await this.viewport.setImageIdIndex(Math.min(Math.max(index, 0), last));
  }

  setWindow(window: Window): void {
    this.viewport.setProperties({ voiRange: toRange(window) });
    this.viewport.render();
  }

  zoomBy(factor: number): void {
    this.viewport.setZoom(this.viewport.getZoom() * factor);
    this.viewport.render();
  }

  /** Take over zoom and pan of another view. */
  copyCamera(from: View): void {
    const presentation = from.viewport.getViewPresentation();
    if (
      Math.abs(this.viewport.getZoom() - from.viewport.getZoom()) < 1e-6 &&
      samePan(this.viewport.getPan(), from.viewport.getPan())
    ) {
      return;
    }
    this.viewport.setViewPresentation({ ...presentation, rotation: undefined });
    this.viewport.render();
  }

  invert(): void {
    this.viewport.setProperties({ invert: !this.viewport.getProperties().invert });
    this.viewport.render();
  }

  reset(): void {
    this.viewport.resetProperties();
    this.viewport.resetCamera();
    this.viewport.render();
  }

  /** From pixels of the image (the corner of the first is 0, 0) to pixels of the page, from the corner of the viewport. */
  imageOnScreen(): DOMMatrix | undefined {
    const data = this.viewport.getImageData();
    if (!data) return undefined;
    const [columns, rows] = data.dimensions;
    const at = (x: number, y: number) =>
      this.viewport.worldToCanvas(data.imageData.indexToWorld?.([x - 0.5, y - 0.5, 0]) as Types.Point3);
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(columns, 0);
    const [x2, y2] = at(0, rows);
    return new DOMMatrix([(x1 - x0) / columns, (y1 - y0) / columns, (x2 - x0) / rows, (y2 - y0) / rows, x0, y0]);
  }

  /** The pixel of the image under a point of the viewport, with its value (HU in a CT) or its colour. */
  pixelAt(point: Point): { column: number; row: number; value: number[] } | undefined {
    const place = this.imageOnScreen();
    const image = this.viewport.getCornerstoneImage();
    if (!place || !image) return undefined;
    const { x, y } = place.inverse().transformPoint(new DOMPoint(point.x, point.y));
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= image.columns || row >= image.rows) return undefined;
    const raw = image.voxelManager?.getAtIJK(column, row, 0);
    if (raw === undefined || raw === null) return undefined;
    const modality = (stored: number) => (image.preScale?.scaled ? stored : stored * image.slope + image.intercept);
    return { column, row, value: typeof raw === 'number' ? [modality(raw)] : [...raw] };
  }

  /** Draw something over the image, under the measurements. */
  addLayer(layer: HTMLElement): void {
    this.#element.querySelector('.cornerstone-canvas')?.after(layer);
  }

  /** Be told after each drawing, until the signal. */
  onRendered(handler: () => void, signal: AbortSignal): void {
    this.#element.addEventListener(Enums.Events.IMAGE_RENDERED, handler, { signal });
  }

  /** Shift what is seen, in pixels of the page. */
  panBy(x: number, y: number): void {
    const [oldX, oldY] = this.viewport.getPan();
    this.viewport.setPan([oldX + x, oldY + y]);
    this.viewport.render();
  }

  /** Make the window brighter or darker, narrower or wider. */
  windowBy(center: number, width: number): void {
    const old = this.window;
    if (old) this.setWindow({ center: old.center + center * old.width, width: old.width * width });
  }

  /** Mark a value at a point of the viewport, or a length between two. */
  measure(tool: 'probe' | 'length', points: Point[]): void {
    const world = points.map(({ x, y }) => this.viewport.canvasToWorld([x, y]));
    hydrate[tool](this.viewport.id, world);
    this.viewport.render();
  }

  /** Take away every length and value. */
  clearMeasurements(): void {
    for (const { toolName } of [LengthTool, ProbeTool]) {
      for (const made of annotation.state.getAnnotations(toolName, this.#element) ?? []) {
        annotation.state.removeAnnotation(made.annotationUID as string);
      }
    }
    this.viewport.render();
  }

  done(): void {
    this.#abort.abort();
  }
}

let nextId = 1;

/** The viewports of one page, which share their tools. */
export class Bench {
  readonly engine: RenderingEngine;
  readonly #group: string;
  #views = new Map<string, View>();
  #tool: ToolName = 'window';

  constructor() {
    const id = nextId++;
    this.#group = `tools-${id}`;
    this.engine = new RenderingEngine(`engine-${id}`);
    const group = ToolGroupManager.createToolGroup(this.#group);
    for (const tool of [...Object.values(tools), StackScrollTool]) group?.addTool(tool.toolName);
    this.#bind();
  }

  #bind(): void {
    const group = ToolGroupManager.getToolGroup(this.#group);
    if (!group) return;
    const { MouseBindings } = ToolEnums;
    for (const tool of Object.values(tools)) group.setToolPassive(tool.toolName, { removeAllBindings: true });
    const bindings = new Map<string, number[]>([
      [ZoomTool.toolName, [MouseBindings.Secondary]],
      [PanTool.toolName, [MouseBindings.Auxiliary]],
    ]);
    const primary = tools[this.#tool].toolName;
    bindings.set(primary, [MouseBindings.Primary, ...(bindings.get(primary) ?? [])]);
    for (const [name, buttons] of bindings) {
      group.setToolActive(name, { bindings: buttons.map((mouseButton) => ({ mouseButton })) });
    }
    group.setToolActive(StackScrollTool.toolName, { bindings: [{ mouseButton: MouseBindings.Wheel }] });
  }

  /** What the first mouse button does. */
  use(tool: ToolName): void {
    this.#tool = tool;
    this.#bind();
  }

  add(name: string, element: HTMLDivElement, events: ViewEvents): View {
    const input: Types.PublicViewportInput = { viewportId: name, element, type: Enums.ViewportType.STACK };
    this.engine.enableElement(input);
    ToolGroupManager.getToolGroup(this.#group)?.addViewport(name, this.engine.id);
    const view = new View(this.engine.getViewport(name) as StackViewport, element, events);
    this.#views.set(name, view);
    return view;
  }

  resize(): void {
    this.engine.resize(true, true);
  }

  destroy(): void {
    for (const view of this.#views.values()) view.done();
    ToolGroupManager.destroyToolGroup(this.#group);
    this.engine.destroy();
  }
}
