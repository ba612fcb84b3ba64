import type { Detection, EfficientDet } from 'efficientdet-trt' with { 'resolution-mode': 'import' }

async function use(load: (typeof EfficientDet)['load']): Promise<readonly Detection[]> {
  const detector = await load('person')
  try {
    return (await detector.detect('street.jpg')).detections
  } finally {
    await detector.dispose()
  }
}

void import('efficientdet-trt').then(({ EfficientDet }) => use((model) => EfficientDet.load(model)))
