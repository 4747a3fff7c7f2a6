import MillraceCore
import MillraceFormats
import MillraceRuntime

/// What `CREATE MODEL … WITH ('provider' = 'http', …)` says, checked.
struct HTTPOptions: Sendable {
    var url: String
    /// Scheme, host and path: neither query, which may hold a key, nor credentials.
    var shownURL: String
    var version: String
    var form = PredictRequestEncoder.Form.instances
    var wraps = false
    var signatureName: String?
    /// The server's names of the outputs; empty: those of the OUTPUT columns.
    var outputNames: [String] = []
    var timeoutMicroseconds: Int64 = 10_000_000
    var connectTimeoutMicroseconds: Int64 = 2_000_000
    var token: HTTPToken
    var caFile: String?
    var remote = RemoteSettings()

    static let descriptors: [OptionDescriptor] = [
        OptionDescriptor(
            "url", .string, isRequired: true, "Where to POST, such as http://localhost:8501/v1/models/natality:predict"),
        OptionDescriptor(
            "request-format", .choice(PredictRequestEncoder.Form.allCases.map(\.rawValue)), default: "instances",
            "Rows as objects by INPUT name or as lists; in the row form (instances) or the column form (inputs)"),
        OptionDescriptor(
            "wrap-values", .boolean, default: "false",
            "A value is sent as a list of one: for signatures with inputs of shape [N, 1]"),
        OptionDescriptor("signature-name", .string, "Signature of the SavedModel (default: the server's)"),
        OptionDescriptor(
            "outputs", .string,
            "Comma-separated names of the outputs in the answer, one an OUTPUT column (default: the columns' names)"),
        OptionDescriptor(
            "version", .string,
            "Text of the version column (default: the version in the url, else the model's name there)"
        ),
        OptionDescriptor("token", .string, isSecret: true, "Bearer token"),
        OptionDescriptor("token-env", .string, "Environment variable that holds the bearer token"),
        OptionDescriptor(
            "token-file", .string, "File that holds the bearer token; read again every minute and when it is refused"),
        OptionDescriptor("ca-file", .string, "Certificates (PEM) to trust for https instead of the system's"),
        OptionDescriptor("batch-size", .integer, default: "32", "Most rows of one request; it never waits to be full"),
        OptionDescriptor("max-in-flight", .integer, default: "8", "Most requests on their way at once, of one shard"),
        OptionDescriptor("timeout", .duration, default: "10 s", "Of one attempt, connecting included"),
        OptionDescriptor("connect-timeout", .duration, default: "2 s", "Of connecting"),
        OptionDescriptor("retries", .integer, default: "3", "Attempts after the first"),
        OptionDescriptor("retry-backoff", .duration, default: "50 ms", "Wait before the second attempt; then doubled"),
        OptionDescriptor("retry-backoff-max", .duration, default: "2 s", "Longest wait between two attempts"),
        OptionDescriptor(
            "breaker-failures", .integer, default: "5",
            "Failures of the server in a row after which rows wait and one request at a time tries; 0: never"),
        OptionDescriptor("breaker-pause", .duration, default: "5 s", "Wait before such a try"),
        OptionDescriptor(
            "nulls", .choice(["error", "null"]), default: "error", "A NULL input fails its row, or is sent as null"),
        OptionDescriptor("task", .string, "Accepted for Flink's sake"),
    ]

    /// - Throws: `.user` for a value that makes no sense, a token that cannot be read.
    init(_ plan: ModelPlan, baseDirectory: String) throws(Diagnostic) {
        let label = "model \"\(plan.name)\""
        let options = plan.options
        func fail(_ message: String, hint: String? = nil) -> Diagnostic {
            Diagnostic("\(label): \(message)", at: plan.range, hint: hint)
        }
        let address = options["url"] ?? ""
        guard let parts = HTTPOptions.parts(address) else {
            throw fail(
                "option \"url\" is no address of the form http://host:port/path or https://host/path",
                hint: "TensorFlow Serving and KServe: http://HOST:PORT/v1/models/NAME:predict.")
        }
        guard !parts.authority.contains("@") else {
            throw fail(
                "option \"url\" holds credentials", hint: "Use 'token', 'token-env' or 'token-file' for a bearer token."
            )
        }
        url = address
        shownURL = parts.scheme + "://" + parts.authority + parts.path
        version = options["version"] ?? HTTPOptions.version(parts.path)
        form = options["request-format"].flatMap { PredictRequestEncoder.Form(rawValue: $0.lowercased()) } ?? .instances
        wraps = options["wrap-values"].flatMap(OptionValue.boolean) ?? false
        signatureName = options["signature-name"]
        if let names = options["outputs"] {
            outputNames = names.split(separator: ",").map { part in
                String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard outputNames.count == plan.outputs.count else {
                throw fail(
                    "option \"outputs\" names \(outputNames.count) outputs, OUTPUT has \(plan.outputs.count) columns")
            }
        }
        let sources = ["token", "token-env", "token-file"].filter { options[$0] != nil }
        guard sources.count <= 1 else {
            throw fail("options \"\(sources[0])\" and \"\(sources[1])\" exclude each other")
        }
        token = try HTTPToken(options, baseDirectory: baseDirectory, label: label, range: plan.range)
        if sources.count == 1, parts.scheme == "http", !HTTPOptions.isLocal(parts.authority) {
            throw fail("a bearer token would travel over http unencrypted", hint: "Use an https url.")
        }
        caFile = options["ca-file"].map { HTTPToken.resolve($0, from: baseDirectory) }
        func duration(_ key: String, _ standard: Int64, atLeast: Int64 = 1) throws(Diagnostic) -> Int64 {
            guard let value = options[key].flatMap(OptionValue.microseconds) else { return standard }
            guard value >= atLeast else { throw fail("option \"\(key)\" must be at least \(atLeast / 1000) ms") }
            return value
        }
        func number(_ key: String, _ standard: Int, in range: ClosedRange<Int>) throws(Diagnostic) -> Int {
            guard let value = options[key].flatMap({ Int($0) }) else { return standard }
            guard range.contains(value) else {
                throw fail("option \"\(key)\" must be from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        timeoutMicroseconds = try duration("timeout", timeoutMicroseconds, atLeast: 1000)
        connectTimeoutMicroseconds = try duration("connect-timeout", connectTimeoutMicroseconds, atLeast: 1000)
        remote.rowsPerCall = try number("batch-size", remote.rowsPerCall, in: 1...10_000)
        remote.callsInFlight = try number("max-in-flight", remote.callsInFlight, in: 1...256)
        remote.retries = try number("retries", remote.retries, in: 0...100)
        remote.backoff.baseMicroseconds = try duration("retry-backoff", remote.backoff.baseMicroseconds, atLeast: 0)
        remote.backoff.maximumMicroseconds = max(
            remote.backoff.baseMicroseconds,
            try duration("retry-backoff-max", remote.backoff.maximumMicroseconds, atLeast: 0))
        remote.breakerFailures = try number("breaker-failures", remote.breakerFailures, in: 0...1_000_000)
        remote.breakerPauseMicroseconds = try duration("breaker-pause", remote.breakerPauseMicroseconds, atLeast: 1000)
        remote.nullFails = options["nulls"]?.lowercased() != "null"
    }

    /// nil for what is no http or https address.
    private static func parts(_ url: String) -> (scheme: String, authority: String, path: String)? {
        for scheme in ["http", "https"] where url.lowercased().hasPrefix(scheme + "://") {
            let rest = url.dropFirst(scheme.utf8.count + 3)
            let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            guard !authority.isEmpty, !url.contains(" ") else { return nil }
            let path = rest.dropFirst(authority.count).prefix { $0 != "?" && $0 != "#" }
            return (scheme, String(authority), String(path))
        }
        return nil
    }

    private static func isLocal(_ authority: String) -> Bool {
        ["localhost", "127.", "[::1]"].contains { authority.hasPrefix($0) }
    }

    /// `3` of `/v1/models/natality/versions/3:predict`, `natality` of `/v1/models/natality:predict`.
    private static func version(_ path: String) -> String {
        let last = path.split(separator: "/").last ?? ""
        return String(last.prefix { $0 != ":" })
    }
}

/// The bearer token and where it comes from. Prints as a mask.
struct HTTPToken: Sendable, CustomStringConvertible {
    private let file: String?
    private(set) var value: String?
    var description: String { value == nil ? "none" : "********" }
    var canBeReadAgain: Bool { file != nil }

    init(_ options: [String: String], baseDirectory: String, label: String, range: SourceRange) throws(Diagnostic) {
        file = options["token-file"].map { HTTPToken.resolve($0, from: baseDirectory) }
        if let given = options["token"] {
            value = given
        } else if let name = options["token-env"] {
            value = HTTPToken.environment(name)
            if value == nil {
                throw Diagnostic(
                    "\(label): environment variable \"\(name)\" is not set, which \"token-env\" names", at: range)
            }
        } else if file != nil {
            readAgain()
            if value == nil {
                throw Diagnostic("\(label): the file of option \"token-file\" cannot be read or is empty", at: range)
            }
        }
        if let value, value.utf8.contains(where: { $0 < 0x21 || $0 > 0x7E }) {
            throw Diagnostic("\(label): the bearer token holds a blank or a control character", at: range)
        }
    }

    /// Keeps what it has when the file cannot be read.
    mutating func readAgain() {
        guard let file, let text = HTTPToken.read(file) else { return }
        let trimmed = text.split(whereSeparator: { $0 == "\n" || $0 == "\r" || $0 == " " || $0 == "\t" }).first
        if let trimmed { value = String(trimmed) }
    }
}
