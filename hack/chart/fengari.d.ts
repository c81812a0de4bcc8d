/** The slice of fengari (a Lua VM in JavaScript, which ships no types) that lua-health.ts uses. */
declare module "fengari" {
  interface LuaState {
    readonly brand: "lua_State";
  }
  type LuaString = Uint8Array;
  interface Fengari {
    readonly to_luastring: (text: string) => LuaString;
    readonly to_jsstring: (text: LuaString) => string;
    readonly lua: {
      readonly LUA_OK: number;
      readonly lua_pcall: (
        state: LuaState,
        args: number,
        results: number,
        handler: number,
      ) => number;
      readonly lua_pop: (state: LuaState, count: number) => void;
      readonly lua_close: (state: LuaState) => void;
      readonly lua_tostring: (state: LuaState, index: number) => LuaString | null;
    };
    readonly lauxlib: {
      readonly luaL_newstate: () => LuaState;
      readonly luaL_loadstring: (state: LuaState, code: LuaString) => number;
      readonly luaL_requiref: (
        state: LuaState,
        name: LuaString,
        open: unknown,
        global: number,
      ) => void;
    };
    readonly lualib: {
      readonly luaopen_base: unknown;
      readonly luaopen_table: unknown;
    };
  }
  const fengari: Fengari;
  export = fengari;
}
