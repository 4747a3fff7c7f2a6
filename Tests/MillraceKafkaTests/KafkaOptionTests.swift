import MillraceCore
import MillraceRuntime
import Testing

@testable import MillraceKafka

@Suite struct KafkaOptionTests {
    func properties(_ more: [String: String]) throws -> KafkaProperties {
        try KafkaProperties(
            options: ["properties.bootstrap.servers": "h:1"].merging(
                Dictionary(uniqueKeysWithValues: more.map { ("properties." + $0.key, $0.value) })
            ) { $1 },
            table: "bids")
    }

    @Test func javaNamesAreTranslated() throws {
        let result = try properties([
            "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "fetch.max.wait.ms": "20",
            "sasl.jaas.config":
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password='it\\'s';",
            "ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca.pem", "max.poll.records": "10",
            "auto.offset.reset": "none", "linger.ms": "3",
        ])
        #expect(
            result.values == [
                "security.protocol": "sasl_ssl", "sasl.mechanisms": "PLAIN", "fetch.wait.max.ms": "20",
                "sasl.username": "me", "sasl.password": "it's", "ssl.ca.location": "/ca.pem", "linger.ms": "3",
            ])
        #expect(result.offsetReset == "error")
        #expect(result.groupID == "millrace-bids")
    }

    @Test(arguments: [
        ("fetch.min.byte", "1", "unknown Kafka property \"fetch.min.byte\"", "properties.fetch.min.bytes"),
        ("ssl.truststore.location", "/x.jks", "Java trust store", "ssl.ca.location"),
        ("fetch.min.bytes", "many", "invalid value", "fetch.min.bytes"),
        ("auto.offset.reset", "first", "auto.offset.reset", "earliest"),
        ("sasl.jaas.config", "hunter2", "no user name", "sasl.username"),
    ])
    func wrongProperty(name: String, value: String, message: String, hint: String) throws {
        let error = #expect(throws: Diagnostic.self) { try properties([name: value]) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(error?.hint?.contains(hint) == true, "\(String(describing: error))")
        #expect(error.map { "\($0)".contains("hunter2") } == false)
    }

    @Test(
        arguments: [
            (["topic": "a", "topic-pattern": "b"], "both given"), ([:], "\"topic\" is missing"),
            (["topic": "a", "scan.startup.mode": "earliest"], "unknown value"),
            (["topic": "a", "scan.startup.mode": "timestamp"], "milliseconds since 1970"),
            (
                ["topic": "a", "scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": "0:1"],
                "an offset"
            ),
            (["topic-pattern": "(("], "regular expression"),
        ] as [([String: String], String)])
    func wrongScanOption(options: [String: String], message: String) {
        let error = #expect(throws: Diagnostic.self) { try ScanOptions(options: options) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }

    @Test func scanOptions() throws {
        let scan = try ScanOptions(options: [
            "topic": "a; b", "scan.startup.mode": "specific-offsets",
            "scan.startup.specific-offsets": "partition:0,offset:42;partition:1,offset:300",
        ])
        #expect(scan.topics == ["a", "b"])
        #expect(scan.startup == .specific([0: 42, 1: 300]))
        #expect(scan.discoveryIntervalMicroseconds == 300_000_000)
        #expect(KafkaConnector.descriptor.isBounded(["scan.bounded.mode": "latest-offset"]))
        #expect(!KafkaConnector.descriptor.isBounded([:]))
    }

    @Test(
        arguments: [
            (["key.format": "json"], "needs \"key.fields\""),
            (["key.fields": "a", "value.fields-include": "EXCEPT_KEY"], "needs \"key.format\""),
            (["key.format": "json", "key.fields": "c"], "unknown column \"c\""),
            (["key.format": "json", "key.fields": "a", "key.fields-prefix": "k_"], "needs 'value.fields-include'"),
        ] as [([String: String], String)])
    func wrongFormats(options: [String: String], message: String) {
        let error = #expect(throws: Diagnostic.self) {
            try MessageFormats(
                options: options.merging(["format": "json"]) { $1 }, columns: Schema([Field("a", .integer)]))
        }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }
}
