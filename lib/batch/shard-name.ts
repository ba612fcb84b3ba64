/** `part-00042.jsonl`, below a folder or not. */
export function shardName(folder: string, shard: number, extension: string): string {
  return `${folder}part-${String(shard).padStart(5, '0')}${extension}`
}
