public import MillraceCore

/// A plan as text for people, and as a fingerprint for checkpoints.
public enum Explain {
    /// Every sink with the tree behind it: columns, event time, joins, windows, and what is read of each source.
    /// Options are shown with secrets masked.
    public static func text(_ plan: ExecutionPlan) -> String {
        var lines = ["pipeline \"\(plan.name)\""]
        for (key, value) in plan.settings.sorted(by: { $0.key < $1.key }) where key != "pipeline.name" {
            lines.append("set \(key) = \(mask(key, value))")
        }
        var printed: Set<Int> = []
        for (index, node) in plan.nodes.enumerated() {
            guard case .sink = node.kind else { continue }
            lines.append("")
            describe(plan, index, indent: 0, &printed, &lines)
        }
        for model in plan.models {
            lines.append("")
            lines.append("model \"\(model.name)\" (\(model.provider))")
            lines.append("  input:   \(schema(model.inputs))")
            lines.append("  output:  \(schema(model.outputs))")
            if !model.options.isEmpty { lines.append("  options: \(options(model.options))") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func describe(
        _ plan: ExecutionPlan, _ index: Int, indent: Int, _ printed: inout Set<Int>, _ lines: inout [String]
    ) {
        let node = plan.nodes[index]
        let margin = String(repeating: "  ", count: indent)
        func line(_ text: String) { lines.append(margin + text) }
        if !printed.insert(index).inserted {
            line("#\(index) (as above)")
            return
        }
        for (position, text) in facts(plan, node).enumerated() {
            line(position == 0 ? "#\(index) " + text : "     " + text)
        }
        if let state = state(plan, node) { line("     " + state) }
        for input in node.inputs { describe(plan, input, indent: indent + 1, &printed, &lines) }
    }

    /// What a node does, without its number: the first line names it, further lines give details.
    static func facts(_ plan: ExecutionPlan, _ node: PlanNode) -> [String] {
        let input = node.inputs.first.map { plan.nodes[$0].schema } ?? Schema([])
        func name(_ column: Int, _ schema: Schema) -> String { schema[column].name }
        func assignments(_ expressions: [Expression]) -> [String] {
            zip(node.schema.fields, expressions).map { field, expression in
                let text = ExpressionText.text(expression, input)
                return (text == field.name ? text : "\(field.name) = \(text)") + " : \(field.type)"
                    + (field.isNullable ? "" : " NOT NULL")
            }
        }
        switch node.kind {
        case .source(let index):
            let source = plan.sources[index]
            return [
                "source \"\(source.name)\" (\(source.connector))"
                    + (source.isStatic ? ", read to its end first and kept in memory" : "")
            ] + sourceFacts(source)
        case .sink(let index):
            let sink = plan.sinks[index]
            var lines = ["sink \"\(sink.name)\" (\(sink.connector))", "columns: \(schema(sink.schema))"]
            if !sink.primaryKey.isEmpty { lines.append("primary key: \(sink.primaryKey.joined(separator: ", "))") }
            if sink.isUpdating { lines.append("takes changes") }
            if !sink.metadata.isEmpty {
                lines.append(
                    "metadata: \(sink.metadata.sorted { $0.key < $1.key }.map { "\($0.key) -> \($0.value)" }.joined(separator: ", "))"
                )
            }
            if !sink.options.isEmpty { lines.append("options: \(options(sink.options))") }
            return lines
        case .project(let expressions): return ["project"] + assignments(expressions)
        case .filter(let predicate): return ["filter \(ExpressionText.text(predicate, input))"]
        case .watermark(let watermark):
            let isPlain = watermark.expression == .column(watermark.rowtimeColumn, watermark.expression.type)
            var note = ""
            if case .column = watermark.expression, isPlain { note = " (no delay)" }
            if watermark.isDefault { note = " (no delay: the default of a table without WATERMARK)" }
            let idle =
                watermark.idleTimeoutMicroseconds == 0
                ? "partitions never idle"
                : "a partition at its end is idle after \(ExpressionText.duration(watermark.idleTimeoutMicroseconds))"
            return [
                "event time \(name(watermark.rowtimeColumn, input)), watermark \(ExpressionText.text(watermark.expression, input))\(note)",
                "on every row; \(idle)"
                    + (watermark.advancesWhenIdle && watermark.idleTimeoutMicroseconds != 0
                        ? "; goes on with the clock when all are idle" : ""),
            ]
        case .staticJoin(let join):
            let build = plan.nodes[node.inputs[1]].schema
            let keys = zip(join.probeKeys, join.buildKeys).map { "\(name($0, input)) = \(name($1, build))" }
            let residual = join.residual.map { ["and \(ExpressionText.text($0, joined(input, build)))"] } ?? []
            return [
                "\(join.kind == .inner ? "" : join.kind.rawValue + " ")join with static side"
                    + (keys.isEmpty ? " (every pair)" : " on \(keys.joined(separator: " AND "))"),
                "the second input is read to its end before the stream starts and kept in memory",
            ] + residual
        case .finalRows: return ["final rows, at the end of the input"]
        case .streamJoin(let join): return streamJoin(join, input, plan.nodes[node.inputs[1]].schema)
        case .unnest(let unnest):
            return [
                "unnest \(name(unnest.collection, input))\(unnest.keepsRow ? ", rows without elements kept" : "")",
                "columns: \(schema(Schema(Array(node.schema.fields[unnest.carried.count...]))))",
            ] + (unnest.condition.map { ["if \(ExpressionText.text($0, node.schema))"] } ?? [])
        case .lookupJoin(let join, let lookup):
            let source = plan.sources[lookup]
            let keys = zip(join.probeKeys, join.buildKeys).map { "\(name($0, input)) = \(name($1, source.schema))" }
            return [
                "\(join.kind == .left ? "left " : "")lookup join with \"\(source.name)\" (\(source.connector)) on \(keys.joined(separator: " AND "))"
            ] + sourceFacts(source) + (join.residual.map { ["and \(ExpressionText.text($0, node.schema))"] } ?? [])
        case .predict(let predict):
            let model = plan.models[predict.model]
            let bound = zip(model.inputs.fields, predict.arguments).map { "\($0.name) <- \(name($1, input))" }
            var lines = ["predict with model \"\(model.name)\"", bound.joined(separator: ", ")]
            lines += contract(predict, model)
            if !predict.config.isEmpty { lines.append("config: \(options(predict.config))") }
            return lines
        case .windowAssign(let column, let kind): return ["window \(window(kind)) of \(name(column, input)), every row"]
        case .sessionAssign(let session):
            let kind = window(.session(gapMilliseconds: session.gapMilliseconds))
            var lines = ["window \(kind) of \(name(session.timeColumn, input)), every row"]
            if !session.keys.isEmpty {
                lines.append("keys: \(session.keys.map { name($0, input) }.joined(separator: ", "))")
            }
            return lines
        case .windowAggregate(let aggregate):
            var lines = ["window aggregate \(window(aggregate.window)) of \(name(aggregate.timeColumn, input))"]
            if !aggregate.keys.isEmpty {
                lines.append("keys: \(aggregate.keys.map { name($0, input) }.joined(separator: ", "))")
            }
            lines += aggregate.aggregates.map { call($0, input) }
            if aggregate.allowedLatenessMilliseconds > 0 {
                lines.append(
                    "allowed lateness \(ExpressionText.duration(aggregate.allowedLatenessMilliseconds * 1000))")
            }
            return lines
        case .groupAggregate(let keys, let aggregates):
            return ["aggregate at the end of the input"]
                + (keys.isEmpty ? [] : ["keys: \(keys.map { name($0, input) }.joined(separator: ", "))"])
                + aggregates.map { call($0, input) }
        case .expand(let expand):
            let names = expand.keys.map { name($0, input) }
            let sets = expand.sets.map { kept in
                "(" + zip(names, kept).filter(\.1).map(\.0).joined(separator: ", ") + ")"
            }
            return ["grouping sets \(sets.joined(separator: ", "))"]
        case .processingTime(let plan):
            return ["processing time \(name(plan.timeColumn, input)): the clock is the time of the windows behind"]
        case .over(let over): return overFacts(over, input)
        case .windowRank(let rank):
            let limit = rank.last.map { " up to \($0)" } ?? ""
            return ["\(rank.function.rawValue) within windows ending at \(name(rank.endColumn, input))\(limit)"]
                + [
                    "keys: \(rank.keys.map { name($0, input) }.joined(separator: ", "))",
                    "order: \(order(rank.order, input))",
                ]
                + (rank.prefersNewest ? ["of equal rows the newest first"] : [])
        case .topN(let top): return topNFacts(top, input)
        case .sort(let sort):
            return [
                "sort by \(order(sort.order, input))",
                sort.timeColumn == nil ? "at the end of the input" : "rows leave when the watermark passes them",
            ]
        case .limit(let offset, let count):
            return ["limit \(count) row\(count == 1 ? "" : "s")" + (offset > 0 ? " behind the first \(offset)" : "")]
        case .updatingAggregate(let aggregate):
            return [
                (aggregate.aggregates.isEmpty ? "distinct rows" : "aggregate, a change for every row")
                    + (aggregate.inputRetracts ? "; the input takes rows back" : "")
                    + (aggregate.emitsBefore ? "" : "; updates without the row before")
            ]
                + (aggregate.keys.isEmpty
                    ? [] : ["keys: \(aggregate.keys.map { name($0, input) }.joined(separator: ", "))"])
                + aggregate.aggregates.map { call($0, input) }
                + ttl(aggregate.stateTTLMilliseconds, "a group", "its last row")
        case .union: return ["union", "columns: \(schema(node.schema))"]
        }
    }

    /// When state is forgotten.
    static func ttl(_ milliseconds: Int64?, _ what: String, _ since: String) -> [String] {
        milliseconds.map { ["state: \(what) is forgotten \(ExpressionText.duration($0 * 1000)) after \(since)"] } ?? []
    }

    private static func sourceFacts(_ source: SourcePlan) -> [String] {
        var lines = source.fields.map { field in
            let origin: String =
                switch field.origin {
                case .physical(let path):
                    path.joined(separator: ".") == field.name ? "" : " from \(path.joined(separator: "."))"
                case .metadata(let key): " from metadata \(key)"
                }
            return "reads \(field.name)\(origin) : \(field.type)\(field.isNullable ? "" : " NOT NULL")"
        }
        if source.fields.isEmpty { lines.append("reads no columns") }
        if source.errors != .deadLetter { lines.append("errors: \(source.errors.rawValue)") }
        if !source.options.isEmpty { lines.append("options: \(options(source.options))") }
        return lines
    }

    static func call(_ call: AggregateCall, _ input: Schema) -> String {
        let argument = call.argument.map { input[$0].name } ?? "*"
        let separator = call.function == .listAgg ? ", '\(call.separator)'" : ""
        let name = "\(call.function.name)(\(call.isDistinct ? "DISTINCT " : "")\(argument)\(separator))"
        return name + (call.filter.map { " FILTER (WHERE \(input[$0].name))" } ?? "") + " : \(call.type)"
    }

    static func window(_ kind: WindowKind) -> String {
        func text(_ milliseconds: Int64) -> String { ExpressionText.duration(milliseconds * 1000) }
        func offset(_ milliseconds: Int64) -> String { milliseconds == 0 ? "" : ", offset \(text(milliseconds))" }
        return switch kind {
        case .tumble(let size, let shift): "TUMBLE \(text(size))\(offset(shift))"
        case .hop(let slide, let size, let shift): "HOP every \(text(slide)) over \(text(size))\(offset(shift))"
        case .cumulate(let step, let size, let shift):
            "CUMULATE every \(text(step)) up to \(text(size))\(offset(shift))"
        case .session(let gap): "SESSION gap \(text(gap))"
        case .attached: "of the rows' own windows by"
        }
    }

    static func schema(_ schema: Schema) -> String {
        schema.fields.map { "\($0.name) \($0.type)" + ($0.isNullable ? "" : " NOT NULL") }.joined(separator: ", ")
    }

    private static func options(_ values: [String: String]) -> String {
        values.sorted { $0.key < $1.key }.map { "\($0.key) = \(mask($0.key, $0.value))" }.joined(separator: ", ")
    }

    /// Secrets by their key; user and password inside a URL.
    static func mask(_ key: String, _ value: String) -> String {
        let lowered = key.lowercased()
        let words = [
            "password", "secret", "token", "api-key", "jaas", "credential", "user-info", "passphrase", "private", "pem",
        ]
        if words.contains(where: lowered.contains) { return "****" }
        var text = value
        if let scheme = Self.range(of: "://", in: text) {
            let rest = text[scheme.upperBound...]
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            if let at = authority.lastIndex(of: "@"), let colon = authority[..<at].firstIndex(of: ":") {
                text.replaceSubrange(text.index(after: colon)..<at, with: "****")
            }
        }
        for name in ["password=", "PASSWORD="] {
            if let found = Self.range(of: name, in: text) {
                let rest = text[found.upperBound...]
                text.replaceSubrange(
                    found.upperBound..<(rest.firstIndex { $0 == "&" || $0 == " " } ?? rest.endIndex), with: "****")
            }
        }
        return text
    }

    private static func range(of needle: String, in text: String) -> Range<String.Index>? {
        var start = text.startIndex
        while start < text.endIndex {
            if text[start...].hasPrefix(needle) { return start..<text.index(start, offsetBy: needle.count) }
            start = text.index(after: start)
        }
        return nil
    }
}

extension AggregateCall.Function {
    /// As SQL names it.
    var name: String {
        switch self {
        case .countAll, .count: "COUNT"
        case .sum: "SUM"
        case .average: "AVG"
        case .minimum: "MIN"
        case .maximum: "MAX"
        case .stddevPop: "STDDEV_POP"
        case .stddevSamp: "STDDEV_SAMP"
        case .varPop: "VAR_POP"
        case .varSamp: "VAR_SAMP"
        case .listAgg: "LISTAGG"
        case .firstValue: "FIRST_VALUE"
        case .lastValue: "LAST_VALUE"
        case .arrayAgg: "ARRAY_AGG"
        case .percentile: "PERCENTILE"
        case .areaUnderCurve: "AUC"
        case .jsonArrayAgg: "JSON_ARRAYAGG"
        case .jsonObjectAgg: "JSON_OBJECTAGG"
        case .collect: "COLLECT"
        }
    }
}
