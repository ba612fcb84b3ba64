/** Whether a name says that weights are averaged over training steps: `model_ema`, `swa_model.module.`; not `exp_avg`. */
export function isAveraged(name: string): boolean {
  return /(?:^|[._])(?:ema|swa|(?<!exp_)avg|averaged)(?:[._]|$)/i.test(name)
}
