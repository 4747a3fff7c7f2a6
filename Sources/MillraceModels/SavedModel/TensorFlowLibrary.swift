import Glibc
import MillraceCore
import Synchronization

/// TensorFlow's C library, loaded at run time: no dependency of the build, and of no pipeline without SavedModels.
final class TensorFlowLibrary: Sendable {
    let api: TensorFlowTable
    let path: String
    let release: String

    private static let loaded = Mutex<[String: TensorFlowLibrary]>([:])
    private static let places = SharedLibrary(
        variable: "MILLRACE_LIBTENSORFLOW", folder: "tensorflow",
        names: ["libtensorflow_cc.so", "libtensorflow.so"], fallbacks: ["libtensorflow_cc.so.2", "libtensorflow.so.2"])

    /// The library of the option, of `MILLRACE_LIBTENSORFLOW`, or the first found in the usual places. Never unloaded.
    static func load(option: String?) throws(Diagnostic) -> TensorFlowLibrary {
        let key = option ?? ""
        if let known = loaded.withLock({ $0[key] }) { return known }
        // Its own lines on standard error would stand between ours; errors come back in the status.
        setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0)
        // Its kernels cost more to start than a small model's row: 13.9 instead of 7.2 microseconds.
        setenv("TF_ENABLE_ONEDNN_OPTS", "0", 0)
        var tried: [String] = []
        for candidate in places.candidates(option: option) {
            // Lazily, because it has 150,000 references to functions, of which a model needs few.
            guard let handle = dlopen(candidate, RTLD_LAZY | RTLD_LOCAL) else {
                let reason = dlerror().map { String(cString: $0) } ?? "not loadable"
                tried.append(access(candidate, F_OK) == 0 ? "\(candidate) (\(reason))" : candidate)
                continue
            }
            do throws(TensorFlowTable.MissingFunction) {
                let library = TensorFlowLibrary(try TensorFlowTable(handle), path: candidate)
                loaded.withLock { $0[key] = library }
                return library
            } catch {
                throw Diagnostic(
                    "\"\(candidate)\" is not TensorFlow's C library of 2.4 or later: it has no \(error.name)",
                    hint: "Scripts/fetch-tensorflow fetches one.")
            }
        }
        throw Diagnostic(
            "TensorFlow's C library was not found; tried \(tried.isEmpty ? "nothing" : tried.joined(separator: ", "))",
            hint: "Run Scripts/fetch-tensorflow, set MILLRACE_LIBTENSORFLOW to the path of libtensorflow_cc.so.2 or "
                + "libtensorflow.so.2, or turn the model into ONNX (python -m tf2onnx.convert --saved-model DIR --output model.onnx)."
        )
    }

    private init(_ api: TensorFlowTable, path: String) {
        self.api = api
        self.path = path
        release = String(cString: api.version())
    }
}

/// An owned `TF_Status`; each thread uses one of its own.
struct TensorFlowStatus: ~Copyable {
    let handle: OpaquePointer
    private let api: TensorFlowTable

    init(_ api: TensorFlowTable) {
        self.api = api
        handle = api.newStatus()
    }
    deinit { api.deleteStatus(handle) }

    var isOK: Bool { api.code(handle) == 0 }
    /// `tensorflow::error::Code`, the codes of gRPC.
    var code: Int32 { api.code(handle) }
    /// First line of the message.
    var text: String {
        let text = String(cString: api.message(handle))
        return String(text.split(separator: "\n", maxSplits: 1).first ?? "unknown error")
    }
}
