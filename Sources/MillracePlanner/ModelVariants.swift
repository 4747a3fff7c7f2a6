import MillraceCore
import MillraceSQL

/// The `shadow.…` and `canary.…` options of CREATE MODEL, checked.
struct ModelVariants {
    var shadow: ShadowPlan?
    var canary: CanaryPlan?

    /// Nil after an error.
    ///
    /// - Parameter values: the options with variables filled in.
    static func read(
        _ options: [OptionSyntax], values: [String: String], model name: String, log: DiagnosticLog
    ) -> ModelVariants? {
        let before = log.all.count
        func syntax(_ key: String) -> OptionSyntax? { options.last { $0.key.text == key } }
        func needs(_ given: String, _ missing: String, _ hint: String) {
            guard values[given] != nil, values[missing] == nil, let range = syntax(given)?.key.range else { return }
            log.error("model \"\(name)\" has \"\(given)\" and no \"\(missing)\"", at: range, hint: hint)
        }
        /// A number between the bounds; nil when there is none, or after an error.
        func number(_ key: String, _ range: ClosedRange<Double>, _ kind: String) -> Double? {
            guard let text = values[key], let place = syntax(key)?.value.range else { return nil }
            if let number = ByteRef.with(text, NumberText.parseDouble), range.contains(number) { return number }
            log.error("option \"\(key)\" takes \(kind)", at: place)
            return nil
        }
        for key in ["shadow.path", "canary.path", "canary.key"] where values[key]?.isEmpty == true {
            log.error("option \"\(key)\" is empty", at: syntax(key)?.value.range ?? .none)
        }
        var variants = ModelVariants()
        needs("shadow.threshold", "shadow.path", "Name the shadow's file with 'shadow.path'.")
        let threshold = number("shadow.threshold", -.greatestFiniteMagnitude ... .greatestFiniteMagnitude, "a number")
        if let path = values["shadow.path"] { variants.shadow = ShadowPlan(path: path, threshold: threshold) }
        needs("canary.percent", "canary.path", "Name the canary's file with 'canary.path'.")
        needs("canary.key", "canary.path", "Name the canary's file with 'canary.path'.")
        needs("canary.path", "canary.percent", "Say for how many of the keys, such as 'canary.percent' = '5'.")
        needs(
            "canary.path", "canary.key",
            "Name the column of the scored table whose values stay with one model, such as 'canary.key' = 'account'.")
        let percent = number("canary.percent", 0...100, "a number from 0 to 100")
        if let path = values["canary.path"], let percent, let key = values["canary.key"] {
            variants.canary = CanaryPlan(path: path, percent: percent, key: key)
        }
        return log.all.count == before ? variants : nil
    }
}
