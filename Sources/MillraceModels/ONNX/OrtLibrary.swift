import Glibc
import MillraceCore
import Synchronization

/// ONNX Runtime, loaded at run time: the library is no dependency of the build, and of no pipeline without ONNX models.
final class OrtLibrary: @unchecked Sendable {
    // Unchecked: constant after init; the C functions called through it are safe from several threads.
    let api: OrtTable
    let environment: OpaquePointer
    let allocator: OpaquePointer
    let memory: OpaquePointer
    let path: String
    let release: String

    private static let loaded = Mutex<[String: OrtLibrary]>([:])

    /// The library of the option, of `MILLRACE_ONNXRUNTIME`, or the first found in the usual places. Never unloaded.
    static func load(option: String?) throws(Diagnostic) -> OrtLibrary {
        let key = option ?? ""
        if let known = loaded.withLock({ $0[key] }) { return known }
        let library = try open(option: option)
        loaded.withLock { $0[key] = library }
        return library
    }

    private static func open(option: String?) throws(Diagnostic) -> OrtLibrary {
        var tried: [String] = []
        for candidate in candidates(option: option) {
            guard let handle = dlopen(candidate, RTLD_NOW | RTLD_LOCAL) else {
                let reason = dlerror().map { String(cString: $0) } ?? "not loadable"
                tried.append(access(candidate, F_OK) == 0 ? "\(candidate) (\(reason))" : candidate)
                continue
            }
            return try OrtLibrary(handle, path: candidate)
        }
        throw Diagnostic(
            "ONNX Runtime was not found; tried \(tried.isEmpty ? "nothing" : tried.joined(separator: ", "))",
            hint: "Run \"make deps\" (Scripts/fetch-onnxruntime), or set MILLRACE_ONNXRUNTIME to the path of "
                + "libonnxruntime.so.")
    }

    static func candidates(option: String?) -> [String] {
        if let option, !option.isEmpty { return isDirectory(option) ? libraries(in: option) : [option] }
        if let text = getenv("MILLRACE_ONNXRUNTIME"), text.pointee != 0 {
            let path = String(cString: text)
            return isDirectory(path) ? libraries(in: path) : [path]
        }
        var result: [String] = []
        var roots: [String] = []
        if let executable = executable() {
            let folder = parent(executable)
            result += libraries(in: parent(folder) + "/lib/millrace")
            roots.append(folder)
        }
        if let directory = getcwd(nil, 0) {
            roots.append(String(cString: directory))
            Glibc.free(directory)
        }
        for root in roots {
            var folder = root
            while true {
                for library in libraries(in: (folder == "/" ? "" : folder) + "/.deps/onnxruntime")
                where !result.contains(library) {
                    result.append(library)
                }
                if folder == "/" || folder.isEmpty { break }
                folder = parent(folder)
            }
        }
        return result + ["libonnxruntime.so.1", "libonnxruntime.so"]
    }

    private static func executable() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Files `libonnxruntime.so*` of a directory, the newest name first.
    private static func libraries(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix("libonnxruntime.so") { names.append(name) }
        }
        return names.sorted(by: >).map { directory + "/" + $0 }
    }

    private init(_ handle: UnsafeMutableRawPointer, path: String) throws(Diagnostic) {
        self.path = path
        guard let symbol = dlsym(handle, "OrtGetApiBase") else {
            throw Diagnostic("\"\(path)\" is not ONNX Runtime", hint: "Check option \"runtime-library\".")
        }
        typealias GetBase = @convention(c) () -> UnsafePointer<UnsafeRawPointer?>
        typealias GetApi = @convention(c) (UInt32) -> UnsafePointer<UnsafeRawPointer?>?
        typealias GetVersion = @convention(c) () -> UnsafePointer<CChar>
        let base = unsafeBitCast(symbol, to: GetBase.self)()
        release = String(cString: unsafeBitCast(base[1], to: GetVersion.self)())
        guard let slots = unsafeBitCast(base[0], to: GetApi.self)(OrtTable.version) else {
            throw Diagnostic(
                "ONNX Runtime \(release) at \"\(path)\" is too old",
                hint: "Use 1.\(OrtTable.version) or later; Scripts/fetch-onnxruntime fetches one.")
        }
        api = OrtTable(slots)
        var created: OpaquePointer?
        try OrtLibrary.check(api.createEnv(3, "millrace", &created), api, "could not start ONNX Runtime")
        environment = created!
        try OrtLibrary.check(api.defaultAllocator(&created), api, "could not start ONNX Runtime")
        allocator = created!
        try OrtLibrary.check(api.createCPUMemory(0, 0, &created), api, "could not start ONNX Runtime")
        memory = created!
    }

    private static func check(_ status: OpaquePointer?, _ api: OrtTable, _ what: String) throws(Diagnostic) {
        guard let status else { return }
        let reason = api.errorMessage(status).map { String(cString: $0) } ?? "unknown error"
        api.releaseStatus(status)
        throw Diagnostic("\(what): \(firstLine(reason))")
    }

    /// Throws `what` with the library's reason; releases the status.
    func check(_ status: OpaquePointer?, _ what: String) throws(Diagnostic) {
        try OrtLibrary.check(status, api, what)
    }

    /// True on success; releases the status. For the hot path, where the reason is not wanted.
    @inline(__always)
    func succeeds(_ status: OpaquePointer?) -> Bool {
        guard let status else { return true }
        api.releaseStatus(status)
        return false
    }

    private static func firstLine(_ text: String) -> String {
        String(text.split(separator: "\n", maxSplits: 1).first ?? "unknown error")
    }
}
