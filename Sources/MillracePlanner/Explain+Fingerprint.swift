public import MillraceCore

/// Tells whether stored state fits a plan.
extension Explain {
    /// What state depends on, one fact a line: what is read, every operator, what is written. Addresses, credentials and
    /// tuning are left out, so that they may change. Made for diffs.
    public static func planText(_ plan: ExecutionPlan) -> String {
        var lines: [String] = []
        /// Options that say which data is read; the rest may change between runs.
        let keys = [
            "topic", "topic-pattern", "path", "table-name", "format", "value.format", "key.format", "key.fields",
        ]
        for (index, node) in plan.nodes.enumerated() {
            let inputs = node.inputs.map { "#\($0)" }.joined(separator: " ")
            switch node.kind {
            case .source(let source):
                let source = plan.sources[source]
                lines.append("#\(index) source \(source.name) (\(source.connector))\(source.isStatic ? " static" : "")")
                lines += Self.identity(source.options, keys)
                lines += source.fields.map { "  \($0.name) \($0.type)" }
            case .sink(let sink):
                let sink = plan.sinks[sink]
                lines.append("#\(index) sink \(sink.name) (\(sink.connector)) <- \(inputs)")
                lines.append("  \(schema(sink.schema))")
                if !sink.primaryKey.isEmpty { lines.append("  primary key \(sink.primaryKey.joined(separator: ", "))") }
            case .watermark(let watermark):
                let input = plan.nodes[node.inputs[0]].schema
                lines.append(
                    "#\(index) event time \(input[watermark.rowtimeColumn].name), watermark \(ExpressionText.text(watermark.expression, input)) <- \(inputs)"
                )
            case .lookupJoin(let join, let lookup):
                let source = plan.sources[lookup]
                lines.append("#\(index) \(join.kind.rawValue) lookup \(source.name) (\(source.connector)) <- \(inputs)")
                lines += Self.identity(source.options, keys)
                lines += facts(plan, node).first.map { ["  " + $0] } ?? []
                lines += source.fields.map { "  \($0.name) \($0.type)" }
            case .predict(let predict):
                // The model's file may change: swapping it is not a new query.
                let model = plan.models[predict.model]
                lines.append("#\(index) predict \(model.name) (\(model.provider)) <- \(inputs)")
                lines.append("  \(schema(model.inputs)) -> \(schema(model.outputs))")
                lines.append(
                    "  arguments \(predict.arguments.map { plan.nodes[node.inputs[0]].schema[$0].name }.joined(separator: ", "))"
                )
            default:
                let facts = facts(plan, node)
                lines.append("#\(index) \(facts[0]) <- \(inputs)")
                lines += facts.dropFirst().map { "  " + $0 }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Sixteen hexadecimal digits of `planText`, stable between runs and machines (FNV-1a, 64 bits).
    public static func fingerprint(_ plan: ExecutionPlan) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in planText(plan).utf8 {
            hash ^= UInt64(byte)
            hash = hash &* 0x0000_0100_0000_01b3
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func identity(_ options: [String: String], _ keys: [String]) -> [String] {
        keys.compactMap { key in options[key].map { "  \(key) = \(mask(key, $0))" } }
    }
}
