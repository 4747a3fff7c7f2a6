import MillraceCore

extension ExpressionCompiler {
    /// The rarer functions of regular expressions. A pattern that is none gives NULL.
    mutating func morePatterns(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        let cache = RegexCache()
        switch function {
        case .regexpExtractAll:
            return rows(arguments, type) { values in
                let group = values.count > 2 ? values[2].number : 1
                guard cache.prepare(values[1].text) else { return .null }
                let all = RegexCache.with(values[0].text) { cache.all($0, group: group) }
                // Without a match the groups still have to be there.
                guard let all, cache.hasGroup(group) else { return .null }
                return .array(all.map { $0.map { .string($0) } ?? .null })
            }
        case .regexpInstr:
            return rows(arguments, type) { values in
                guard cache.prepare(values[1].text) else { return .null }
                let place = RegexCache.with(values[0].text) { cache.place($0) }
                return .integer(Int64(place.map { $0 + 1 } ?? 0))
            }
        case .regexpSubstr:
            return rows(arguments, type) { values in
                guard cache.prepare(values[1].text) else { return .null }
                let match = RegexCache.with(values[0].text) { cache.first($0) }
                return (match?[0]).map { .string($0) } ?? .null
            }
        case .strToMap:
            return rows(arguments, type) { values in
                let pairs = values.count > 1 ? values[1].text : ","
                let keys = values.count > 2 ? values[2].text : "="
                return TextFunctions.map(values[0].text, pairs: pairs, keys: keys)
            }
        default: return nil
        }
    }
}

extension RegexCache {
    /// Whether the pattern has the group; 0 is the whole match.
    func hasGroup(_ group: Int64) -> Bool {
        // An alternative that matches nothing shows how many groups there are.
        guard let probe = RegexCache.compile("(?:\(pattern))|"), let match = (try? probe.wholeMatch(in: "")) ?? nil
        else {
            return false
        }
        return group >= 0 && group < match.output.count
    }

    /// The text's UTF-8 bytes, for the length of the call.
    static func with<Result>(_ text: String, _ body: (ByteRef) -> Result) -> Result {
        var copy = text
        return copy.withUTF8 { buffer in
            body(buffer.baseAddress.map { ByteRef(start: $0, count: buffer.count) } ?? .empty)
        }
    }
}

extension TextFunctions {
    /// STR_TO_MAP. The delimiters are regular expressions, as in Flink; a pair without its delimiter has no value.
    static func map(_ text: String, pairs: String, keys: String) -> Value {
        guard !text.isEmpty else { return .map([]) }
        guard let pairSplit = splitter(pairs), let keySplit = splitter(keys) else { return .error(.invalidArgument) }
        let result = pairSplit(text, .max).map { pair -> (key: Value, value: Value) in
            let parts = keySplit(pair, 1)
            return (key: .string(parts[0]), value: parts.count > 1 ? .string(parts[1]) : .null)
        }
        return .map(Collections.merged(result))
    }

    private static func splitter(_ pattern: String) -> ((String, Int) -> [String])? {
        if pattern.utf8.allSatisfy({ $0 < 0x80 && !#"\^$.|?*+()[]{}"#.utf8.contains($0) }) {
            return { text, most in
                text.split(separator: pattern, maxSplits: most, omittingEmptySubsequences: false).map(String.init)
            }
        }
        guard let regex = RegexCache.compile(pattern) else { return nil }
        return { text, most in
            text.split(separator: regex, maxSplits: most, omittingEmptySubsequences: false).map(String.init)
        }
    }
}
