internal import Logging
public import MillraceRuntime

/// Backs the runtime's `Log` with swift-log on standard error.
public enum LogSetup {
    /// - Parameter level: `debug`, `info`, `warning` or `error`.
    public static func standardError(level: Log.Level) -> Log {
        var logger = Logger(label: "millrace") { _ in LineLogHandler() }
        logger.logLevel = swiftLevel(level)
        let backing = logger
        return Log { level, message, facts in
            var metadata = Logger.Metadata()
            for fact in facts { metadata[fact.key] = .string(fact.value) }
            backing.log(level: swiftLevel(level), "\(message)", metadata: metadata)
        }
    }

    private static func swiftLevel(_ level: Log.Level) -> Logger.Level {
        switch level {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
