import { EfficientDetError } from '../base/errors.js'
import { type DeviceFrame, type Frame, isDeviceFrame } from '../image/frame.js'

/**
 * Refuses a frame in the memory of a GPU that an engine does not run on.
 *
 * @param device the engine's GPU; null for the CPU
 * @throws EfficientDetError ERR_INVALID_OPTION
 */
export function checkPlace(frame: Frame | DeviceFrame, device: null): asserts frame is Frame
export function checkPlace(frame: Frame | DeviceFrame, device: number | null): void
export function checkPlace(frame: Frame | DeviceFrame, device: number | null): void {
  if (!isDeviceFrame(frame)) return
  const { device: place = 0 } = frame
  if (place === device) return
  throw new EfficientDetError(
    'ERR_INVALID_OPTION',
    device === null
      ? "The frame lies in a GPU's memory, which the CPU backend does not read. Copy it to the host, or load with backend 'tensorrt'."
      : `The frame lies on GPU ${place}, and the detector runs on GPU ${device}. Load it with device: ${place}.`,
  )
}
