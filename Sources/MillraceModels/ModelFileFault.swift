import MillraceCore

/// Why the content of a model file is not taken; the loader adds the path.
enum ModelFileFault: Error {
    /// The bytes are not what the format says.
    case damaged(String)
    /// A well-formed file with something this engine does not evaluate.
    case unsupported(String, hint: String?)

    func diagnostic(path: String, range: SourceRange) -> Diagnostic {
        switch self {
        case .damaged(let reason):
            Diagnostic(
                "model file \"\(path)\" is damaged: \(reason)", at: range,
                hint: "Write the model again; a file that is still being copied looks like this too.")
        case .unsupported(let what, let hint):
            Diagnostic("model file \"\(path)\" cannot be used: \(what)", at: range, hint: hint)
        }
    }
}
