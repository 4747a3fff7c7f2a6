import Glibc
import MillraceCore

/// Finds, reads and recognises model files.
enum ModelFile {
    enum Format: String, Sendable {
        case xgboostJSON = "XGBoost JSON"
        case xgboostUBJ = "XGBoost UBJSON"
        case lightGBM = "LightGBM text"
        case onnx = "ONNX"
        case savedModel = "a TensorFlow SavedModel"

        var provider: String {
            switch self {
            case .xgboostJSON, .xgboostUBJ: "xgboost"
            case .lightGBM: "lightgbm"
            case .onnx: "onnx"
            case .savedModel: "savedmodel"
            }
        }
    }

    /// Bytes of the largest file that is read.
    static let sizeLimit = 2 << 30

    /// The file a path means: absolute, or relative to the directory of the SQL file, then to the working directory.
    /// A SavedModel is its folder; an MLflow model folder means the model file in it.
    static func locate(_ path: String, baseDirectory: String, label: String, range: SourceRange) throws(Diagnostic)
        -> String
    {
        guard !path.isEmpty else { throw Diagnostic("\(label): option \"path\" is empty", at: range) }
        var candidates = [path]
        if !path.hasPrefix("/"), !baseDirectory.isEmpty, baseDirectory != "." {
            candidates.insert(baseDirectory.hasSuffix("/") ? baseDirectory + path : baseDirectory + "/" + path, at: 0)
        }
        for candidate in candidates {
            switch kind(candidate) {
            case .file: return candidate
            case .directory: return try fileInFolder(candidate, label: label, range: range)
            case .absent: continue
            }
        }
        throw Diagnostic(
            "\(label): no file \"\(path)\"", at: range,
            hint: candidates.count == 1
                ? "Check option \"path\"."
                : "A relative path starts at the directory of the SQL file, then at the working directory; tried "
                    + candidates.map { "\"\($0)\"" }.joined(separator: " and ") + ".")
    }

    private enum Kind { case file, directory, absent }

    private static func kind(_ path: String) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { return .absent }
        return status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
    }

    private static func fileInFolder(_ folder: String, label: String, range: SourceRange) throws(Diagnostic) -> String {
        if MLflowFolder.isOne(folder) { return try MLflowFolder(folder, label: label, range: range).artifact }
        if ModelFolder.isSavedModel(folder) { return folder }
        for name in ["model.onnx", "model.ubj", "model.json", "model.xgb", "model.lgb", "model.txt"] {
            if kind(folder + "/" + name) == .file { return folder + "/" + name }
        }
        throw Diagnostic(
            "\(label): \"\(folder)\" is a directory without a model file", at: range,
            hint:
                "Give the file itself, a SavedModel folder (with saved_model.pb), or an MLflow folder with model.onnx, "
                + "model.ubj, model.json or model.lgb.")
    }

    static func read(_ path: String, label: String, range: SourceRange) throws(Diagnostic) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path, label, range) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw unreadable(path, label, range) }
        let size = Int(status.st_size)
        guard size <= sizeLimit else {
            throw Diagnostic("\(label): file \"\(path)\" is larger than \(sizeLimit >> 30) GiB", at: range)
        }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
            while count < size {
                let got = Glibc.read(file, buffer.baseAddress! + count, size - count)
                if got <= 0 { break }
                count += got
            }
            initialized = count
        }
        guard count == size else { throw unreadable(path, label, range) }
        return bytes
    }

    private static func unreadable(_ path: String, _ label: String, _ range: SourceRange) -> Diagnostic {
        Diagnostic(
            "\(label): could not read \"\(path)\": \(String(cString: strerror(errno)))", at: range, fault: .external)
    }

    /// The format by content; the suffix only tells ONNX from other protobuf-like files.
    static func format(_ bytes: [UInt8], path: String) throws(ModelFileFault) -> Format {
        guard let first = bytes.first else { throw .damaged("it is empty") }
        if starts(bytes, "binf") || starts(bytes, "bs64") {
            throw .unsupported(
                "it is in XGBoost's old binary format",
                hint: "Load it with XGBoost 1.x or 2.x and write it again: booster.save_model(\"model.ubj\").")
        }
        if starts(bytes, "CBM1") {
            throw .unsupported(
                "it is a CatBoost model", hint: "Export it: model.save_model(\"model.onnx\", format=\"onnx\").")
        }
        if first == 0x80, bytes.count > 1, bytes[1] <= 5 {
            throw .unsupported(
                "it is a Python pickle",
                hint: "Write booster.save_model(\"model.ubj\") for XGBoost or LightGBM, or export to ONNX (skl2onnx).")
        }
        if starts(bytes, "tree\n") || starts(bytes, "tree\r\n") { return .lightGBM }
        if first == UInt8(ascii: "{"), bytes.count > 1 {
            // A UBJSON object goes on with the type of a key's length; JSON with a quote or space.
            return "iUIlL#$".utf8.contains(bytes[1]) ? .xgboostUBJ : .xgboostJSON
        }
        // Field 1 of ModelProto (ir_version) is written first by every exporter.
        if first == 0x08 || path.hasSuffix(".onnx") { return .onnx }
        throw .unsupported(
            "its format is not known", hint: "XGBoost JSON and UBJSON, LightGBM text and ONNX files are read.")
    }

    private static func starts(_ bytes: [UInt8], _ text: StaticString) -> Bool {
        guard bytes.count >= text.utf8CodeUnitCount else { return false }
        for i in 0..<text.utf8CodeUnitCount where bytes[i] != text.utf8Start[i] { return false }
        return true
    }
}
