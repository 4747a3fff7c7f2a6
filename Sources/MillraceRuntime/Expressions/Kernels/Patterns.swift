import MillraceCore

extension ExpressionCompiler {
    mutating func patterns(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .like, .similar, .regexp, .regexpExtract, .regexpReplace, .regexpCount: break
        case .regexpExtractAll, .regexpInstr, .regexpSubstr, .strToMap:
            return try morePatterns(function, arguments, type)
        default: return nil
        }
        guard arguments.count >= 2, arguments[0].layout == .bytes, arguments[1].layout == .bytes else {
            throw unsupported(function, arguments)
        }
        switch function {
        case .like:
            let escape = arguments.count > 2 ? arguments[2] : nil
            if let text = arguments[1].text, escape == nil || escape?.text != nil {
                guard let pattern = LikePattern(Array(text.utf8), escape: escape?.text.map { Array($0.utf8) }) else {
                    throw Diagnostic("invalid LIKE pattern", hint: "The escape is one character before %, _ or itself.")
                }
                return emit(type, [arguments[0]], object: pattern) {
                    let run = Run($0)
                    let pattern = run.object(LikePattern.self)
                    run.map(ByteRef.self, Int64.self) { text, _ in pattern.matches(text) ? 1 : 0 }
                }
            }
            return emit(type, arguments) {
                let run = Run($0)
                let valid = run.strictAll()
                let hasEscape = run.argumentCount > 2
                run.each(Int64.self, valid) { k, state in
                    guard
                        let pattern = LikePattern(
                            run.b.refs[k].array, escape: hasEscape ? run.c.refs[k].array : nil)
                    else {
                        state = RowErrorCode.invalidArgument.rawValue
                        return 0
                    }
                    return pattern.matches(run.a.refs[k]) ? 1 : 0
                }
            }
        case .similar:
            guard let text = arguments[1].text, let escape = arguments.count > 2 ? arguments[2].text : "" else {
                throw Diagnostic("the pattern of SIMILAR TO must be a literal")
            }
            let cache = try literalRegex(RegexCache.translateSimilar(text, escape: escape.unicodeScalars.first))
            return emit(type, [arguments[0]], object: cache) {
                let run = Run($0)
                let cache = run.object(RegexCache.self)
                run.map(ByteRef.self, Int64.self) { text, _ in cache.matchesWhole(text) ? 1 : 0 }
            }
        default: break
        }
        let cache = RegexCache()
        switch function {
        case .regexp:
            return emit(type, arguments, object: cache) {
                let run = Run($0)
                let cache = run.object(RegexCache.self)
                run.map(ByteRef.self, ByteRef.self, Int64.self) { text, pattern, _ in
                    // As Flink: an empty pattern, and one that is none, is found nowhere.
                    guard pattern.count > 0, cache.prepare(pattern) else { return 0 }
                    return cache.first(text) != nil ? 1 : 0
                }
            }
        case .regexpCount:
            return emit(type, arguments, object: cache) {
                let run = Run($0)
                let cache = run.object(RegexCache.self)
                run.map(ByteRef.self, ByteRef.self, Int64.self) { text, pattern, state in
                    guard cache.prepare(pattern) else {
                        state = CellState.null
                        return 0
                    }
                    return Int64(cache.count(text))
                }
            }
        case .regexpExtract:
            var operands = arguments
            if operands.count == 2 { operands.append(try compile(.literal(.integer(0), .integer))) }
            guard operands[2].layout == .int64 else { throw unsupported(function, arguments) }
            return emit(type, operands, object: cache) {
                let run = Run($0)
                let (cache, arena) = (run.object(RegexCache.self), run.arena)
                run.map(ByteRef.self, ByteRef.self, Int64.self, ByteRef.self) { text, pattern, group, state in
                    guard cache.prepare(pattern), let match = cache.first(text), group >= 0, group < match.count,
                        let part = match[Int(group)]
                    else {
                        state = CellState.null
                        return .empty
                    }
                    return arena.copy(part)
                }
            }
        default:
            guard arguments.count == 3, arguments[2].layout == .bytes else { throw unsupported(function, arguments) }
            return emit(type, arguments, object: cache) {
                let run = Run($0)
                let (cache, arena) = (run.object(RegexCache.self), run.arena)
                run.map(ByteRef.self, ByteRef.self, ByteRef.self, ByteRef.self) { text, pattern, by, state in
                    guard cache.prepare(pattern) else {
                        state = CellState.null
                        return .empty
                    }
                    return arena.copy(cache.replace(text, by.text))
                }
            }
        }
    }

    private func literalRegex(_ text: String) throws(Diagnostic) -> RegexCache {
        let cache = RegexCache()
        guard cache.prepare(text) else {
            throw Diagnostic("invalid regular expression", hint: "Check the brackets and escapes of the pattern.")
        }
        return cache
    }
}

/// A LIKE pattern as tokens, with short cuts for the common shapes.
final class LikePattern {
    private enum Shape { case equals, prefix, suffix, contains, general }
    private enum Token {
        case bytes(start: Int, count: Int)
        case one
        case any
    }
    private let literal: [UInt8]
    private let tokens: [Token]
    private let shape: Shape

    /// Nil when the escape is not one character, or stands before something other than `%`, `_` and itself.
    init?(_ pattern: [UInt8], escape: [UInt8]?) {
        var literal: [UInt8] = []
        var tokens: [Token] = []
        var runStart = 0
        func flush() {
            if literal.count > runStart { tokens.append(.bytes(start: runStart, count: literal.count - runStart)) }
            runStart = literal.count
        }
        if let escape {
            guard !escape.isEmpty, escape.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }) else { return nil }
        }
        var at = 0
        while at < pattern.count {
            if let escape, pattern[at...].starts(with: escape) {
                at += escape.count
                if at < pattern.count, pattern[at] == 0x25 || pattern[at] == 0x5F {
                    literal.append(pattern[at])
                    at += 1
                } else if pattern[at...].starts(with: escape) {
                    literal += escape
                    at += escape.count
                } else {
                    return nil
                }
            } else if pattern[at] == 0x25 {
                flush()
                if case .any? = tokens.last {} else { tokens.append(.any) }
                at += 1
            } else if pattern[at] == 0x5F {
                flush()
                tokens.append(.one)
                at += 1
            } else {
                literal.append(pattern[at])
                at += 1
            }
        }
        flush()
        self.literal = literal
        self.tokens = tokens
        switch tokens.count {
        case 0: shape = .equals
        case 1:
            if case .bytes = tokens[0] { shape = .equals } else { shape = .general }
        case 2:
            if case .bytes = tokens[0], case .any = tokens[1] {
                shape = .prefix
            } else if case .any = tokens[0], case .bytes = tokens[1] {
                shape = .suffix
            } else {
                shape = .general
            }
        case 3:
            if case .any = tokens[0], case .bytes = tokens[1], case .any = tokens[2] {
                shape = .contains
            } else {
                shape = .general
            }
        default: shape = .general
        }
    }

    func matches(_ text: ByteRef) -> Bool {
        literal.withUnsafeBufferPointer { literal in
            let part = ByteRef(start: literal.baseAddress ?? ByteRef.empty.start, count: literal.count)
            switch shape {
            case .equals: return text.equals(part)
            case .prefix:
                return text.count >= part.count && ByteRef(start: text.start, count: part.count).equals(part)
            case .suffix:
                return text.count >= part.count
                    && ByteRef(start: text.start + (text.count - part.count), count: part.count).equals(part)
            case .contains: return CodePoints.find(part, in: text) != nil
            case .general: return general(text, part)
            }
        }
    }

    /// Greedy with one point to return to: the last `%` seen, which is enough for LIKE.
    private func general(_ text: ByteRef, _ literal: ByteRef) -> Bool {
        var at = 0
        var token = 0
        var retryToken = -1
        var retryAt = 0
        while true {
            if token < tokens.count {
                switch tokens[token] {
                case .any:
                    retryToken = token
                    retryAt = at
                    token += 1
                    continue
                case .one:
                    if at < text.count {
                        at = CodePoints.next(text, at)
                        token += 1
                        continue
                    }
                case .bytes(let start, let count):
                    if text.count - at >= count,
                        ByteRef(start: text.start + at, count: count)
                            .equals(ByteRef(start: literal.start + start, count: count))
                    {
                        at += count
                        token += 1
                        continue
                    }
                }
            } else if at == text.count {
                return true
            }
            guard retryToken >= 0, retryAt < text.count else { return false }
            retryAt = CodePoints.next(text, retryAt)
            at = retryAt
            token = retryToken + 1
        }
    }
}

/// The regular expression used last, compiled. Matching is by code points, as in Java.
///
/// Not for the tightest loops: matching makes a `String` a row.
final class RegexCache {
    private var source: [UInt8] = []
    private var regex: Regex<AnyRegexOutput>?
    private var isPrepared = false

    func prepare(_ pattern: String) -> Bool {
        var pattern = pattern
        return pattern.withUTF8 { bytes in
            prepare(ByteRef(start: bytes.baseAddress ?? ByteRef.empty.start, count: bytes.count))
        }
    }

    /// False when the pattern is not valid.
    func prepare(_ pattern: ByteRef) -> Bool {
        if isPrepared, source.count == pattern.count, source.elementsEqual(pattern.buffer) { return regex != nil }
        source = pattern.array
        isPrepared = true
        regex = RegexCache.compile(pattern.text)
        return regex != nil
    }

    var pattern: String { String(decoding: source, as: UTF8.self) }

    /// Nil when the pattern is not valid.
    static func compile(_ pattern: String) -> Regex<AnyRegexOutput>? {
        try? Regex(pattern).matchingSemantics(.unicodeScalar)
    }

    /// Group `group` of every match; nil when the pattern has no such group.
    func all(_ text: ByteRef, group: Int64) -> [String?]? {
        guard let regex else { return nil }
        var result: [String?] = []
        for match in text.text.matches(of: regex) {
            guard group >= 0, group < match.output.count else { return nil }
            result.append(match.output[Int(group)].substring.map(String.init))
        }
        return result
    }

    /// Code points in front of the first match.
    func place(_ text: ByteRef) -> Int? {
        let text = text.text
        guard let regex, let match = (try? regex.firstMatch(in: text)) ?? nil else { return nil }
        return text[..<match.range.lowerBound].unicodeScalars.count
    }

    func matchesWhole(_ text: ByteRef) -> Bool {
        guard let regex else { return false }
        return ((try? regex.wholeMatch(in: text.text)) ?? nil) != nil
    }

    /// The groups of the first match; group 0 is all of it.
    func first(_ text: ByteRef) -> [String?]? {
        guard let regex, let match = (try? regex.firstMatch(in: text.text)) ?? nil else { return nil }
        return match.output.map { $0.substring.map(String.init) }
    }

    func count(_ text: ByteRef) -> Int {
        guard let regex else { return 0 }
        return text.text.matches(of: regex).count
    }

    /// Every match replaced; the replacement is taken literally.
    func replace(_ text: ByteRef, _ replacement: String) -> String {
        guard let regex else { return text.text }
        return text.text.replacing(regex, with: replacement)
    }

    /// SIMILAR TO as a regular expression: `%` and `_` are wildcards, the rest of its operators are the same.
    static func translateSimilar(_ pattern: String, escape: Unicode.Scalar?) -> String {
        var result = ""
        var inClass = false
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if isEscaped {
                result += "\\"
                result.unicodeScalars.append(scalar)
                isEscaped = false
            } else if let escape, scalar == escape {
                isEscaped = true
            } else if inClass {
                if scalar == "]" { inClass = false }
                result.unicodeScalars.append(scalar)
            } else {
                switch scalar {
                case "%": result += "[\\s\\S]*"
                case "_": result += "[\\s\\S]"
                case ".", "^", "$", "\\":
                    result += "\\"
                    result.unicodeScalars.append(scalar)
                case "[":
                    inClass = true
                    result.unicodeScalars.append(scalar)
                default: result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}
