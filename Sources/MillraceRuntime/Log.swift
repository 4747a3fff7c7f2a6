/// Where operators and connectors report what a person should know. Nothing per row. The engine backs it with swift-log.
public struct Log: Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }
    public typealias Write =
        @Sendable (_ level: Level, _ message: String, _ facts: [(key: String, value: String)]) -> Void
    private let write: Write

    public init(_ write: @escaping Write) { self.write = write }
    public static let silent = Log { _, _, _ in }

    /// `message` is fixed text; what varies goes into `facts`. Neither holds row values or secrets.
    public func callAsFunction(_ level: Level, _ message: String, _ facts: KeyValuePairs<String, String> = [:]) {
        write(level, message, facts.map { (key: $0.key, value: $0.value) })
    }
}
