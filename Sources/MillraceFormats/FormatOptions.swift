import MillraceCore

/// The options of one format of one table, without their prefix; checked while they are read.
struct FormatOptions {
    let format: String
    private let part: String?
    private let options: [String: String]

    init(format: String, part: String?, options: [String: String]) {
        self.format = format
        self.part = part
        self.options = options
    }

    /// `value.json.x` wins over `json.x`.
    func text(_ name: String) -> String? {
        if let part, let value = options["\(part).\(format).\(name)"] { return value }
        return options["\(format).\(name)"]
    }

    func boolean(_ name: String, default defaultValue: Bool = false) throws(Diagnostic) -> Bool {
        guard let text = text(name) else { return defaultValue }
        guard let value = OptionValue.boolean(text) else {
            throw Diagnostic("option \"\(format).\(name)\" is not a boolean", hint: "Write 'true' or 'false'.")
        }
        return value
    }

    func choice(_ name: String, _ choices: [String], default defaultValue: String) throws(Diagnostic) -> String {
        guard let text = text(name) else { return defaultValue }
        guard let value = choices.first(where: { $0.lowercased() == text.lowercased() }) else {
            throw Diagnostic(
                "option \"\(format).\(name)\" has an unknown value",
                hint: "Choose one of \(choices.joined(separator: ", ")).")
        }
        return value
    }

    /// A single ASCII character; `\t` and the like may be written with a backslash.
    func character(_ name: String, default defaultValue: UInt8?) throws(Diagnostic) -> UInt8? {
        guard let text = text(name) else { return defaultValue }
        switch text {
        case "\\t": return 0x09
        case "\\\\": return 0x5C
        default: break
        }
        let bytes = Array(text.utf8)
        guard bytes.count == 1, bytes[0] < 0x80, bytes[0] != 0x0A, bytes[0] != 0x0D else {
            throw Diagnostic(
                "option \"\(format).\(name)\" is not a single character", hint: "Write one ASCII character or '\\t'.")
        }
        return bytes[0]
    }
}
