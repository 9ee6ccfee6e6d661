/** A transform of a buffer (user guide, "Transformations"): its keyword and its value, '' without one. */
export interface Transform {
  name: string;
  value: string;
}
