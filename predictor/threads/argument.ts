/** What main.ts finds as its first argument in a thread of the predictor. */
export const threadArgument = "thread";
