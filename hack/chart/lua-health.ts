/** Runs a health check of Argo CD in a Lua VM, with no more libraries than Argo CD gives it. */
import fengari from "fengari";

export interface Health {
  readonly status: string;
  readonly message: string;
}

/**
 * What `script` (a health.lua) says of `object`.
 * @throws Error with Lua's words when the script does not compile or fails.
 */
export function luaHealth(script: string, object: unknown): Health {
  const { lua, lauxlib, lualib, to_luastring: toLua, to_jsstring: toText } = fengari;
  const state = lauxlib.luaL_newstate();
  try {
    // As Argo CD without useOpenLibs (util/lua): neither string nor io.
    lauxlib.luaL_requiref(state, toLua("_G"), lualib.luaopen_base, 1);
    lauxlib.luaL_requiref(state, toLua("table"), lualib.luaopen_table, 1);
    lua.lua_pop(state, 2);
    const program =
      `obj = ${luaLiteral(object)}\n` +
      `local hs = (function()\n${script}\nend)()\nreturn hs.status, hs.message`;
    const failed =
      lauxlib.luaL_loadstring(state, toLua(program)) !== lua.LUA_OK ||
      lua.lua_pcall(state, 0, 2, 0) !== lua.LUA_OK;
    const text = (index: number): string => {
      const value = lua.lua_tostring(state, index);
      return value === null ? "" : toText(value);
    };
    if (failed) {
      throw new Error(`health.lua: ${text(-1)}`);
    }
    return { status: text(-2), message: text(-1) };
  } finally {
    lua.lua_close(state);
  }
}

/** JSON as a Lua expression; null is nil. */
function luaLiteral(value: unknown): string {
  if (Array.isArray(value)) {
    return `{${value.map(luaLiteral).join(",")}}`;
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).map(
      ([key, inner]) => `[${luaString(key)}]=${luaLiteral(inner)}`,
    );
    return `{${fields.join(",")}}`;
  }
  if (typeof value === "string") {
    return luaString(value);
  }
  return value === null || value === undefined ? "nil" : JSON.stringify(value);
}

function luaString(text: string): string {
  return `"${[...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}
