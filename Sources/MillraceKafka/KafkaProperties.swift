internal import CLibrdkafka
import Glibc
import MillraceCore

/// A table's `properties.*` as librdkafka settings.
///
/// Flink users bring the Java client's names: those that differ are translated, those that have no meaning here are
/// left out, and those that need something else (Java key stores) are refused with what to write instead.
struct KafkaProperties: Sendable {
    /// By librdkafka's name.
    private(set) var values: [String: String] = [:]
    /// `earliest`, `latest` or `error`; nil when the user left it open.
    private(set) var offsetReset: String?
    let bootstrap: String
    let groupID: String
    /// The broker is an `EmbeddedBroker` of this process.
    let isEmbedded: Bool
    var readsCommittedOnly: Bool { (values["isolation.level"] ?? "read_committed") == "read_committed" }

    private static let prefix = "properties."

    /// - Parameter table: names the default consumer group, `millrace-<table>`.
    init(options: [String: String], table: String) throws(Diagnostic) {
        guard let servers = options["properties.bootstrap.servers"], !trim(servers).isEmpty else {
            throw Diagnostic(
                "option \"properties.bootstrap.servers\" is missing",
                hint: "Add 'properties.bootstrap.servers' = 'host:9092' to the WITH clause.")
        }
        if trim(servers) == "embedded" {
            bootstrap = try EmbeddedBroker.shared().bootstrapServers
        } else {
            bootstrap = trim(servers)
        }
        isEmbedded = EmbeddedBroker.owns(bootstrap)
        groupID = options["properties.group.id"] ?? "millrace-\(table)"
        for (option, value) in options.sorted(by: { $0.key < $1.key }) where option.hasPrefix(Self.prefix) {
            try take(String(option.dropFirst(Self.prefix.count)), value, options: options)
        }
    }

    /// Java client settings that have no meaning here: ours to decide, or of a part that does not exist.
    private static let ignored: Set<String> = [
        "bootstrap.servers", "group.id", "key.deserializer", "value.deserializer", "key.serializer", "value.serializer",
        "enable.auto.commit", "auto.commit.interval.ms", "max.poll.records", "partition.discovery.interval.ms",
        "client.dns.lookup", "flink.partition-discovery.interval-millis", "metric.reporters", "metrics.num.samples",
        "metrics.recording.level", "metrics.sample.window.ms", "interceptor.classes", "commit.offsets.on.checkpoint",
        "register.consumer.metrics", "partitioner.class", "max.block.ms", "ssl.provider", "ssl.protocol",
        "ssl.enabled.protocols", "security.providers", "exclude.internal.topics",
    ]
    /// Java name -> librdkafka name, same meaning and unit.
    private static let renamed: [String: String] = [
        "fetch.max.wait.ms": "fetch.wait.max.ms", "receive.buffer.bytes": "socket.receive.buffer.bytes",
        "send.buffer.bytes": "socket.send.buffer.bytes", "request.timeout.ms": "socket.timeout.ms",
        "default.api.timeout.ms": "socket.timeout.ms", "max.request.size": "message.max.bytes",
        "socket.connection.setup.timeout.max.ms": "socket.connection.setup.timeout.ms",
        "ssl.keystore.certificate.chain": "ssl.certificate.pem", "ssl.keystore.key": "ssl.key.pem",
        "ssl.truststore.certificates": "ssl.ca.pem",
    ]

    private mutating func take(_ name: String, _ value: String, options: [String: String]) throws(Diagnostic) {
        if Self.ignored.contains(name) { return }
        let truststoreType = options["properties.ssl.truststore.type"]?.uppercased()
        let keystoreType = options["properties.ssl.keystore.type"]?.uppercased()
        switch name {
        case "auto.offset.reset":
            switch value.lowercased() {
            case "earliest", "smallest", "beginning": offsetReset = "earliest"
            case "latest", "largest", "end": offsetReset = "latest"
            case "none", "error": offsetReset = "error"
            default:
                throw Diagnostic(
                    "property \"auto.offset.reset\" has an unknown value", hint: "Use earliest, latest or none.")
            }
        case "security.protocol": try check(name, value.lowercased())
        case "sasl.mechanism": try check("sasl.mechanisms", value)
        case "sasl.jaas.config":
            guard let (username, password) = Self.credentials(jaas: value) else {
                throw Diagnostic(
                    "property \"sasl.jaas.config\" holds no user name and password",
                    hint: "Give 'properties.sasl.username' and 'properties.sasl.password' instead.")
            }
            try check("sasl.username", username)
            try check("sasl.password", password)
        case "sasl.login.callback.handler.class", "sasl.client.callback.handler.class", "sasl.login.class":
            throw Diagnostic(
                "property \"\(name)\" names a Java class",
                hint: "Use librdkafka's 'properties.sasl.oauthbearer.…' settings instead.")
        case "ssl.truststore.location" where truststoreType == "PEM": try check("ssl.ca.location", value)
        case "ssl.truststore.type" where truststoreType == "PEM": return
        case "ssl.truststore.location", "ssl.truststore.password", "ssl.truststore.type":
            throw Diagnostic(
                "property \"\(name)\" belongs to a Java trust store",
                hint: "Export the certificates as PEM and give 'properties.ssl.ca.location' = '/path/ca.pem'.")
        case "ssl.keystore.location" where keystoreType == "JKS", "ssl.keystore.type" where keystoreType == "JKS":
            throw Diagnostic(
                "property \"\(name)\" belongs to a Java key store",
                hint: "Convert it to PKCS#12, or to PEM: 'properties.ssl.certificate.location' and "
                    + "'properties.ssl.key.location'.")
        case "ssl.keystore.location" where keystoreType == "PEM": try check("ssl.certificate.location", value)
        case "ssl.keystore.type": return
        case "ssl.endpoint.identification.algorithm": try check(name, value.isEmpty ? "none" : value.lowercased())
        case "buffer.memory":
            guard let bytes = Int64(value) else { throw Self.refused("buffer.memory", nil) }
            try check("queue.buffering.max.kbytes", String(max(1, bytes / 1024)))
        default: try check(Self.renamed[name] ?? name, value, written: name)
        }
    }

    /// Notes a setting after librdkafka has accepted it on a scratch configuration.
    private mutating func check(_ name: String, _ value: String, written: String? = nil) throws(Diagnostic) {
        let scratch = rd_kafka_conf_new()
        defer { rd_kafka_conf_destroy(scratch) }
        var text = [CChar](repeating: 0, count: 512)
        switch rd_kafka_conf_set(scratch, name, value, &text, text.count) {
        case RD_KAFKA_CONF_OK: values[name] = value
        case RD_KAFKA_CONF_UNKNOWN:
            let name = written ?? name
            throw Diagnostic(
                "unknown Kafka property \"\(name)\"",
                hint: NearestName.find(name, in: Self.known).map { "Did you mean \"properties.\($0)\"?" }
                    ?? "The properties are librdkafka's: see its CONFIGURATION.md.")
        default: throw Self.refused(name, Self.isSecret(name) ? nil : cText(text))
        }
    }

    private static func refused(_ name: String, _ reason: String?) -> Diagnostic {
        Diagnostic("Kafka property \"\(name)\" has an invalid value", hint: reason.map { "librdkafka says: \($0)." })
    }

    /// Values of these never reach a message.
    static func isSecret(_ name: String) -> Bool {
        name.hasSuffix("password") || name.hasSuffix("secret") || name.hasSuffix(".pem") || name.contains("jaas")
            || name == "sasl.oauthbearer.config" || name == "sasl.username"
    }

    /// User name and password of `…LoginModule required username="u" password="p";`.
    static func credentials(jaas text: String) -> (username: String, password: String)? {
        func quoted(_ name: String) -> String? {
            let characters = Array(text)
            let wanted = Array(name)
            var i = 0
            while i + wanted.count < characters.count {
                let starts = i == 0 || characters[i - 1].isWhitespace
                guard starts, Array(characters[i..<i + wanted.count]) == wanted else {
                    i += 1
                    continue
                }
                var j = i + wanted.count
                while j < characters.count, characters[j].isWhitespace { j += 1 }
                guard j < characters.count, characters[j] == "=" else {
                    i += 1
                    continue
                }
                j += 1
                while j < characters.count, characters[j].isWhitespace { j += 1 }
                guard j < characters.count, characters[j] == "\"" || characters[j] == "'" else { return nil }
                let quote = characters[j]
                j += 1
                var result = ""
                while j < characters.count, characters[j] != quote {
                    if characters[j] == "\\", j + 1 < characters.count { j += 1 }
                    result.append(characters[j])
                    j += 1
                }
                return j < characters.count ? result : nil
            }
            return nil
        }
        guard let username = quoted("username"), let password = quoted("password") else { return nil }
        return (username, password)
    }

    /// Every property name librdkafka knows, from its own table.
    static let known: [String] = {
        guard let table = millrace_kafka_property_table() else { return [] }
        defer { free(table) }
        return String(cString: table).split(separator: "\n").compactMap { line in
            let name = trim(line.prefix { $0 != "|" })
            return line.contains("|") && name.contains(".") && !name.contains(" ") ? name : nil
        }
    }()
}

/// The text of a C buffer up to its NUL.
func cText(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
