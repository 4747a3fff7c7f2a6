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
    private static let places = SharedLibrary(
        variable: "MILLRACE_ONNXRUNTIME", folder: "onnxruntime", names: ["libonnxruntime.so"],
        fallbacks: ["libonnxruntime.so.1", "libonnxruntime.so"])

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
        for candidate in places.candidates(option: option) {
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
