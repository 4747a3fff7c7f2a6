import MillraceCore

/// The settings `table.exec.emit.*`, as Flink reads them for group windows.
struct EmitSettings {
    private var values: [String: String] = [:]
    private static let prefix = "table.exec.emit."

    /// Names of the settings.
    static let names = [
        "early-fire.enabled", "early-fire.delay", "late-fire.enabled", "late-fire.delay", "allow-lateness",
    ]
    .map { prefix + $0 }

    /// Takes a setting that is one of these; returns what is wrong with it.
    mutating func set(_ key: String, _ value: String) -> String? {
        guard key.hasPrefix(Self.prefix) else { return nil }
        let name = String(key.dropFirst(Self.prefix.count))
        values[name] = value
        switch name {
        case "early-fire.enabled", "late-fire.enabled":
            return ["true", "false"].contains(value.lowercased()) ? nil : "takes true or false"
        case "early-fire.delay", "late-fire.delay", "allow-lateness":
            guard let delay = OptionValue.microseconds(value), delay >= 0 else {
                return "takes a duration such as '5 s'"
            }
            return nil
        default: return nil
        }
    }

    /// How a window emits besides its end; nil: it does not. SESSION does not, as in Flink.
    func plan(_ window: WindowKind) -> (plan: WindowEmitPlan, latenessMilliseconds: Int64)? {
        if case .session = window { return nil }
        func milliseconds(_ name: String) -> Int64? { values[name].flatMap(OptionValue.microseconds).map { $0 / 1000 } }
        func isOn(_ name: String) -> Bool { values[name]?.lowercased() == "true" }
        let early = isOn("early-fire.enabled") ? milliseconds("early-fire.delay") ?? 0 : nil
        let late = isOn("late-fire.enabled") ? milliseconds("late-fire.delay") ?? 0 : nil
        guard early != nil || late != nil else { return nil }
        // Without late firing nothing would say so.
        let lateness = late == nil ? 0 : milliseconds("allow-lateness") ?? 0
        return (WindowEmitPlan(earlyMilliseconds: early, lateMilliseconds: late), lateness)
    }
}
