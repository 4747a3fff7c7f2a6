import Glibc
import MillraceCore
import MillraceRuntime

/// An MLflow model folder: what its `MLmodel` file says of the model in it.
///
/// Format: mlflow.org, "MLflow Model format": `flavors.<name>` with the artifact's path, `signature.inputs` as JSON text.
struct MLflowFolder {
    /// A flavor and the artifact that Millrace reads for it.
    let flavor: String
    /// A file, or a SavedModel's directory.
    let artifact: String
    /// Columns of the signature, empty when there is none or when it is one tensor.
    let inputs: [ModelSignature.Column]
    let facts: [String]

    static func isOne(_ folder: String) -> Bool { access(folder + "/MLmodel", F_OK) == 0 }

    /// The folder that an artifact lies in, at most two levels up; nil when there is none, or when it names another
    /// artifact.
    static func around(_ artifact: String) -> MLflowFolder? {
        var folder = artifact
        for _ in 0..<2 {
            guard let slash = folder.lastIndex(of: "/"), slash != folder.startIndex else {
                folder = "."
                break
            }
            folder = String(folder[..<slash])
            if isOne(folder) { break }
        }
        guard isOne(folder), let found = try? MLflowFolder(folder, label: "model", range: .none),
            found.artifact == artifact || found.artifact == "./" + artifact
        else { return nil }
        return found
    }

    /// - Throws: `.user` when no flavor of the folder can be read, naming what to do.
    init(_ folder: String, label: String, range: SourceRange) throws(Diagnostic) {
        let bytes = try ModelFile.read(folder + "/MLmodel", label: label, range: range)
        let yaml = BlockYAML(String(decoding: bytes, as: UTF8.self))
        let flavors = yaml.keys(of: "flavors")
        guard !flavors.isEmpty else {
            throw Diagnostic("\(label): \"\(folder)/MLmodel\" lists no flavors", at: range)
        }
        let choices = MLflowFolder.candidates(yaml, flavors)
        guard let choice = choices.first(where: { MLflowFolder.isReadable(folder + "/" + $0.path) }) else {
            throw MLflowFolder.unreadable(folder, flavors: flavors, expected: choices.first?.path, label, range)
        }
        flavor = choice.flavor
        artifact = folder + "/" + choice.path
        inputs = MLflowFolder.columns(yaml["signature.inputs"])
        var facts = ["MLflow: flavor \(flavor), file \(choice.path)"]
        if let version = yaml["mlflow_version"] { facts[0] += ", written by MLflow \(version)" }
        if let created = yaml["utc_time_created"] { facts.append("MLflow: created \(created) UTC") }
        if let run = yaml["run_id"] { facts.append("MLflow: run \(run)") }
        if let identifier = yaml["model_uuid"] { facts.append("MLflow: model \(identifier)") }
        self.facts = facts
    }

    /// Flavors that can be read with the artifacts they name, the native ones first.
    private static func candidates(_ yaml: BlockYAML, _ flavors: [String]) -> [(flavor: String, path: String)] {
        var result: [(flavor: String, path: String)] = []
        for flavor in ["xgboost", "lightgbm", "onnx", "tensorflow", "keras"] where flavors.contains(flavor) {
            let data = yaml["flavors.\(flavor).data"] ?? yaml["flavors.\(flavor).saved_model_dir"] ?? "data"
            if flavor == "tensorflow" || flavor == "keras" {
                result += [(flavor, data), (flavor, data + "/model")]
            } else {
                result.append((flavor, data))
            }
        }
        return result
    }

    /// An artifact is there: a file that is no pickle, or a SavedModel's directory.
    private static func isReadable(_ path: String) -> Bool {
        if access(path + "/saved_model.pb", F_OK) == 0 { return true }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return ![".pkl", ".pickle", ".joblib", ".skops", ".keras", ".h5"].contains { path.hasSuffix($0) }
    }

    private static func unreadable(
        _ folder: String, flavors: [String], expected: String?, _ label: String, _ range: SourceRange
    ) -> Diagnostic {
        let known = flavors.filter { $0 != "python_function" }
        let named = known.isEmpty ? "python_function" : known.joined(separator: ", ")
        let advice: String
        switch known.first {
        case "sklearn":
            advice =
                "Convert it: skl2onnx.to_onnx(model, X[:1]) and mlflow.onnx.save_model; it then needs no Python."
        case "keras", "tensorflow":
            advice = "Write a SavedModel: model.export(\"path\"), and give that folder; or convert it with tf2onnx."
        case "catboost": advice = "Export it: model.save_model(\"model.onnx\", format=\"onnx\")."
        case "pytorch": advice = "Export it: torch.onnx.export(model, example, \"model.onnx\")."
        case "xgboost":
            advice = "Save it as booster.save_model(\"model.ubj\") and log it with model_format=\"ubj\"."
        case "lightgbm": advice = "Log the booster itself (model.booster_), which MLflow writes as text."
        default: advice = "Export the model to ONNX, and log it with mlflow.onnx."
        }
        if let expected, !isReadable(folder + "/" + expected), access(folder + "/" + expected, F_OK) != 0 {
            return Diagnostic(
                "\(label): the MLflow folder \"\(folder)\" has no \"\(expected)\", which its MLmodel names", at: range,
                hint: "Copy the whole folder.")
        }
        return Diagnostic(
            "\(label): the MLflow folder \"\(folder)\" has no model that can be read (flavors: \(named))", at: range,
            hint: advice)
    }

    /// `[{"type": "double", "name": "a", …}]`; types without a SQL one end the list.
    private static func columns(_ text: String?) -> [ModelSignature.Column] {
        guard let text, let document = try? JSONDocument.parse(Array(text.utf8)), let elements = document.elements
        else {
            return []
        }
        var columns: [ModelSignature.Column] = []
        for element in elements {
            guard let name = element["name"]?.text, let type = element["type"]?.text.flatMap(sqlType) else { return [] }
            columns.append(.init(name: name, type: type))
        }
        return columns
    }

    private static func sqlType(_ name: String) -> DataType? {
        switch name {
        case "boolean": .boolean
        case "integer": .integer
        case "long": .bigInt
        case "float": .float
        case "double": .double
        case "string": .string
        default: nil
        }
    }
}
