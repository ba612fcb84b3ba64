import type { Size } from '../models/levels.js'
import type { Point } from '../options/analytics.js'

/** Where objects were, and for how long. */
export interface HeatMap {
  readonly columns: number
  readonly rows: number
  /** Seconds of each cell, row by row from the top (rows × columns), those of all objects added up. */
  readonly seconds: number[]
}

/** Adds a stay to the cell that has the point; what is outside of the frame counts where it left. */
export function addStay({ columns, rows, seconds }: HeatMap, [x, y]: Point, frame: Size, stay: number): void {
  const cell = (at: number, cells: number) => Math.min(cells - 1, Math.max(0, Math.floor(at * cells)))
  seconds[cell(y / frame.height, rows) * columns + cell(x / frame.width, columns)] += stay
}
