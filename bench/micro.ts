export async function micro(): Promise<unknown> {
  return [];
}
