/**
 * The part of the WebAssembly JavaScript interface that gradc uses.
 *
 * TypeScript ships these types only inside the DOM library, which would also bring in thousands of browser globals
 * (`name`, `event`, `close` …) that code for Node must not reach by accident. The shapes agree with lib.dom.d.ts.
 */
declare namespace WebAssembly {
  interface CompileError extends Error {}
  interface LinkError extends Error {}
  interface RuntimeError extends Error {}
  interface ErrorConstructorOf<E extends Error> {
    prototype: E
    new (message?: string): E
    (message?: string): E
  }
  var CompileError: ErrorConstructorOf<CompileError>
  var LinkError: ErrorConstructorOf<LinkError>
  var RuntimeError: ErrorConstructorOf<RuntimeError>

  interface Module {}
  var Module: {
    prototype: Module
    new (bytes: Bytes): Module
    customSections(module: Module, sectionName: string): ArrayBuffer[]
    exports(module: Module): ModuleExportDescriptor[]
    imports(module: Module): ModuleImportDescriptor[]
  }

  interface Instance {
    readonly exports: Exports
  }
  var Instance: { prototype: Instance; new (module: Module, imports?: Imports): Instance }

  /** `buffer` is a SharedArrayBuffer at run time where the memory is shared; as in lib.dom the type does not say so. */
  interface Memory {
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  var Memory: { prototype: Memory; new (descriptor: MemoryDescriptor): Memory }

  interface Table {
    readonly length: number
    get(index: number): any
    grow(delta: number, value?: any): number
    set(index: number, value?: any): void
  }
  var Table: { prototype: Table; new (descriptor: TableDescriptor, value?: any): Table }

  interface Global<T extends ValueType = ValueType> {
    value: ValueTypeMap[T]
    valueOf(): ValueTypeMap[T]
  }
  var Global: {
    prototype: Global
    new <T extends ValueType = ValueType>(descriptor: GlobalDescriptor<T>, value?: ValueTypeMap[T]): Global<T>
  }

  interface MemoryDescriptor {
    initial: number
    maximum?: number
    shared?: boolean
  }
  interface TableDescriptor {
    element: 'anyfunc' | 'externref'
    initial: number
    maximum?: number
  }
  interface GlobalDescriptor<T extends ValueType = ValueType> {
    mutable?: boolean
    value: T
  }
  interface ModuleExportDescriptor {
    kind: ImportExportKind
    name: string
  }
  interface ModuleImportDescriptor {
    kind: ImportExportKind
    module: string
    name: string
  }
  interface ValueTypeMap {
    anyfunc: Function
    externref: any
    f32: number
    f64: number
    i32: number
    i64: bigint
    v128: never
  }
  interface WebAssemblyInstantiatedSource {
    instance: Instance
    module: Module
  }

  type Bytes = ArrayBuffer | ArrayBufferView<ArrayBuffer>
  type ImportExportKind = 'function' | 'global' | 'memory' | 'table' | 'tag'
  type ExportValue = Function | Global | Memory | Table
  type Exports = Record<string, ExportValue>
  type ImportValue = ExportValue | number
  type ModuleImports = Record<string, ImportValue>
  type Imports = Record<string, ModuleImports>
  type ValueType = keyof ValueTypeMap

  function compile(bytes: Bytes): Promise<Module>
  function instantiate(bytes: Bytes, imports?: Imports): Promise<WebAssemblyInstantiatedSource>
  function instantiate(module: Module, imports?: Imports): Promise<Instance>
  function validate(bytes: Bytes): boolean
}
