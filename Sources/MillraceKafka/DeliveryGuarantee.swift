import MillraceCore

/// 'sink.delivery-guarantee', and what goes with it.
enum DeliveryGuarantee: String {
    case none
    case atLeastOnce = "at-least-once"
    case exactlyOnce = "exactly-once"

    init(_ plan: SinkPlan) throws(Diagnostic) {
        let text = plan.options["sink.delivery-guarantee"] ?? "at-least-once"
        guard let known = DeliveryGuarantee(rawValue: text) else {
            throw Diagnostic(
                "option \"sink.delivery-guarantee\" of sink \"\(plan.name)\" has an unknown value", at: plan.range,
                hint: NearestName.hint(text, in: ["at-least-once", "exactly-once", "none"])
                    ?? "Use at-least-once, exactly-once or none.")
        }
        self = known
    }
}

/// How a sink takes part in Kafka transactions.
struct TransactionOptions: Sendable {
    /// Begins the transactional ids, and names the consumer groups that positions are stored under.
    let prefix: String
    /// Positions are stored as offsets of its first partition; Kafka takes none for a topic that does not exist.
    let topic: String
    let properties: KafkaProperties

    /// - Throws: `.user` for what cannot be.
    init(_ plan: SinkPlan, pipeline: String) throws(Diagnostic) {
        let topics = (plan.options["topic"] ?? "").split(separator: ";").map { trim($0) }
        guard topics.count == 1 else {
            throw Diagnostic(
                "sink \"\(plan.name)\" needs one topic in option \"topic\" to deliver exactly once", at: plan.range,
                hint: "Its offsets are stored with that topic's; a metadata column may still send rows elsewhere.")
        }
        topic = topics[0]
        let given = trim(plan.options["sink.transactional-id-prefix"] ?? "")
        prefix = given.isEmpty ? "millrace-\(pipeline)" : given
        properties = try KafkaProperties(options: plan.options, table: plan.name)
    }

    /// What a transactional producer is set up with; the table's own properties win where they may.
    func settings(transactionalID: String) -> [(name: String, value: String)] {
        var settings: [(name: String, value: String)] = [
            ("linger.ms", "0"), ("socket.nagle.disable", "true"), ("partitioner", "murmur2_random"),
            // The engine bounds what is under way; librdkafka's own bounds only must not be met first.
            ("queue.buffering.max.messages", "10000000"), ("queue.buffering.max.kbytes", "2097151"),
            ("reconnect.backoff.max.ms", "1000"),
        ]
        settings += properties.values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        return settings + [
            ("bootstrap.servers", properties.bootstrap), ("transactional.id", transactionalID),
            ("enable.idempotence", "true"), ("acks", "all"),
        ]
    }
}
