/**
 * A Kalman filter for one coordinate that moves with constant velocity, in pixels and nominal frames.
 *
 * The coordinates of a box never mix in the filters that trackers use, so 2×2 matrices do what theirs of 8×8 do.
 */

/** Variances of a position and its velocity, and their covariance. */
export interface Covariance {
  position: number
  cross: number
  velocity: number
}

/** Variances that one nominal frame adds. */
export interface FrameNoise {
  readonly position: number
  readonly velocity: number
}

/** How far steps may be from one frame to count as one: timestamps are rounded and cameras jitter. */
const TOLERANCE_SECONDS = 0.004

/** Steps of a replay have no clock. */
const TOLERANCE_FRAMES = 0.1

/** @param frameRate nominal frames per second; null where steps do not come from a clock */
export function isNominal(step: number, frameRate: number | null): boolean {
  const tolerance = frameRate === null ? TOLERANCE_FRAMES : TOLERANCE_SECONDS * frameRate
  return Math.abs(step - 1) <= tolerance
}

/**
 * Noise of a step of some length: after a gap, that of a white acceleration.
 *
 * @param nominal whether the step counts as one frame
 */
export function noiseOf({ position, velocity }: FrameNoise, step: number, nominal: boolean): Covariance {
  if (nominal) return { position, cross: 0, velocity }
  const square = step * step
  return {
    position: (velocity * square * square) / 4,
    cross: (velocity * square * step) / 2,
    velocity: velocity * square,
  }
}

export function predictCovariance(covariance: Covariance, step: number, noise: Covariance): void {
  const { position, cross, velocity } = covariance
  const ahead = cross + step * velocity
  covariance.position = position + step * cross + step * ahead + noise.position
  covariance.cross = ahead + noise.cross
  covariance.velocity = velocity + noise.velocity
}

/** What parts of a surprise change position and velocity. */
export interface Gain {
  readonly position: number
  readonly velocity: number
}

/** Takes a measurement in (in Joseph's form) and tells how much it counts. @param noise its variance */
export function updateCovariance(covariance: Covariance, noise: number): Gain {
  const { position, cross, velocity } = covariance
  const inverse = 1 / (position + noise)
  const k = position * inverse
  const l = cross * inverse
  const rest = 1 - k
  const crossed = cross - l * position
  covariance.position = rest * position * rest + k * noise * k
  covariance.cross = rest * crossed + k * noise * l
  covariance.velocity = velocity - l * cross - l * crossed + l * noise * l
  return { position: k, velocity: l }
}
