import MillraceCore

extension ExpressionCompiler {
    mutating func strings(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        /// Guards the kernels' pointer types: one letter an argument, `s` bytes, `i` integers.
        func expect(_ shapes: StaticString...) throws(Diagnostic) {
            let given = arguments.map { $0.layout == .bytes ? "s" : $0.layout == .int64 ? "i" : "?" }.joined()
            guard shapes.contains(where: { $0.description == given }) else { throw unsupported(function, arguments) }
        }
        let hasThird = arguments.count > 2
        switch function {
        case .concat:
            guard arguments.allSatisfy({ $0.layout == .bytes }) else { throw unsupported(function, arguments) }
            if arguments.count == 1 { return arguments[0] }
            return emit(type, arguments) { StringKernels.concat(Run($0)) }
        case .concatWithSeparator:
            guard arguments.allSatisfy({ $0.layout == .bytes }) else { throw unsupported(function, arguments) }
            return emit(type, arguments) { StringKernels.concatWithSeparator(Run($0)) }
        case .characterLength:
            try expect("s")
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self) { text, _ in Int64(CodePoints.count(text)) }
            }
        case .octetLength:
            try expect("s")
            return emit(type, arguments) { Run($0).map(ByteRef.self, Int64.self) { text, _ in Int64(text.count) } }
        case .upper, .lower:
            try expect("s")
            return emit(type, arguments, p: function == .upper ? 1 : 0) { StringKernels.changeCase(Run($0)) }
        case .initCap:
            try expect("s")
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { text, _ in StringKernels.initCap(text, arena) }
            }
        case .substring:
            try expect("si", "sii")
            if hasThird {
                return emit(type, arguments) {
                    Run($0).map(ByteRef.self, Int64.self, Int64.self, ByteRef.self) { text, start, length, state in
                        orNull(StringKernels.substring(text, start, length), &state)
                    }
                }
            }
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self, ByteRef.self) { text, start, state in
                    orNull(StringKernels.substring(text, start, .max), &state)
                }
            }
        case .left:
            try expect("si")
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self, ByteRef.self) { text, n, _ in
                    n <= 0 ? .empty : CodePoints.slice(text, 0, CodePoints.offset(text, Int(n)))
                }
            }
        case .right:
            try expect("si")
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self, ByteRef.self) { text, n, _ in
                    if n <= 0 { return .empty }
                    let skip = CodePoints.count(text) - Int(min(n, 1 << 40))
                    return skip <= 0 ? text : CodePoints.slice(text, CodePoints.offset(text, skip), text.count)
                }
            }
        case .leftPad, .rightPad:
            try expect("sis", "si")
            var operands = arguments
            if operands.count == 2 { operands.append(try compile(.literal(.string(" "), .string))) }
            return emit(type, operands, p: function == .leftPad ? 1 : 0) {
                let run = Run($0)
                let (isLeft, arena) = (run.p == 1, run.arena)
                run.map(ByteRef.self, Int64.self, ByteRef.self, ByteRef.self) { text, length, pad, state in
                    StringKernels.pad(text, length, pad, isLeft, arena, &state)
                }
            }
        case .repeatText:
            try expect("si")
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, Int64.self, ByteRef.self) { text, times, state in
                    if times <= 0 || text.count == 0 { return .empty }
                    guard Int64(text.count) <= Int64(StringKernels.longest) / times else {
                        state = RowErrorCode.limitExceeded.rawValue
                        return .empty
                    }
                    let out = arena.allocate(text.count * Int(times))
                    for i in 0..<Int(times) { (out + i * text.count).update(from: text.start, count: text.count) }
                    return ByteRef(start: out, count: text.count * Int(times))
                }
            }
        case .replace:
            try expect("sss")
            return emit(type, arguments) {
                let run = Run($0)
                let (arena, scratch) = (run.arena, run.scratch)
                run.map(ByteRef.self, ByteRef.self, ByteRef.self, ByteRef.self) { text, search, by, _ in
                    StringKernels.replace(text, search, by, arena, scratch)
                }
            }
        case .reverse:
            try expect("s")
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(ByteRef.self, ByteRef.self) { text, _ in
                    let out = arena.allocate(text.count)
                    var at = 0
                    while at < text.count {
                        let next = CodePoints.next(text, at)
                        (out + (text.count - next)).update(from: text.start + at, count: next - at)
                        at = next
                    }
                    return ByteRef(start: out, count: text.count)
                }
            }
        case .trimBoth, .trimLeading, .trimTrailing:
            try expect("s", "ss")
            var operands = arguments
            if operands.count == 1 { operands.append(try compile(.literal(.string(" "), .string))) }
            return emit(type, operands, p: function == .trimBoth ? 3 : function == .trimLeading ? 1 : 2) {
                let run = Run($0)
                let sides = run.p
                run.map(ByteRef.self, ByteRef.self, ByteRef.self) { text, characters, _ in
                    StringKernels.trim(text, characters, sides)
                }
            }
        case .position:
            try expect("ss", "ssi")
            if hasThird {
                return emit(type, arguments) {
                    Run($0).map(ByteRef.self, ByteRef.self, Int64.self, Int64.self) { needle, text, start, _ in
                        StringKernels.position(needle, text, start)
                    }
                }
            }
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, ByteRef.self, Int64.self) { needle, text, _ in
                    StringKernels.position(needle, text, 1)
                }
            }
        case .overlay:
            try expect("ssi", "ssii")
            return emit(type, arguments) { StringKernels.overlay(Run($0)) }
        case .splitIndex:
            try expect("ssi", "sii")
            if arguments[1].layout == .int64 {
                let separator = emit(.string, [arguments[1]]) {
                    let run = Run($0)
                    let arena = run.arena
                    run.map(Int64.self, ByteRef.self) { code, state in
                        orNull(StringKernels.character(code, arena), &state)
                    }
                }
                return try strings(function, [arguments[0], separator, arguments[2]], type)
            }
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, ByteRef.self, Int64.self, ByteRef.self) { text, separator, index, state in
                    orNull(StringKernels.split(text, separator, index), &state)
                }
            }
        case .ascii:
            try expect("s")
            return emit(type, arguments) {
                Run($0).map(ByteRef.self, Int64.self) { text, _ in
                    text.count == 0 ? 0 : Int64(Int8(bitPattern: text.start[0]))
                }
            }
        case .chr:
            try expect("i")
            return emit(type, arguments) {
                let run = Run($0)
                let arena = run.arena
                run.map(Int64.self, ByteRef.self) { code, _ in
                    // As Flink: negative gives nothing, larger numbers their low byte.
                    if code < 0 { return .empty }
                    return StringKernels.character(code & 255, arena) ?? .empty
                }
            }
        case .startsWith, .endsWith:
            try expect("ss")
            return emit(type, arguments, p: function == .startsWith ? 1 : 0) {
                let run = Run($0)
                let atStart = run.p == 1
                run.map(ByteRef.self, ByteRef.self, Int64.self) { text, part, _ in
                    guard part.count <= text.count else { return 0 }
                    let from = atStart ? 0 : text.count - part.count
                    return ByteRef(start: text.start + from, count: part.count).equals(part) ? 1 : 0
                }
            }
        case .uuid:
            program.needsClock = true
            return emit(type, arguments) { StringKernels.uuid(Run($0)) }
        case .parseURL:
            try expect("ss", "sss")
            return emit(type, arguments) { StringKernels.parseURL(Run($0)) }
        default: return nil
        }
    }
}

enum StringKernels {
    /// Bytes a computed string may have.
    static let longest = 64 << 20

    static func concat(_ run: Run) {
        let count = run.argumentCount
        let valid = run.strictAll()
        let arena = run.arena
        if count == 2 {
            let (x, y) = (run.a.refs, run.b.refs)
            run.each(ByteRef.self, valid) { k, _ in
                let (a, b) = (x[k], y[k])
                let out = arena.allocate(a.count + b.count)
                out.update(from: a.start, count: a.count)
                (out + a.count).update(from: b.start, count: b.count)
                return ByteRef(start: out, count: a.count + b.count)
            }
            return
        }
        run.each(ByteRef.self, valid) { k, _ in
            var total = 0
            for i in 0..<count { total += run.argument(i).refs[k].count }
            let out = arena.allocate(total)
            var at = 0
            for i in 0..<count {
                let part = run.argument(i).refs[k]
                (out + at).update(from: part.start, count: part.count)
                at += part.count
            }
            return ByteRef(start: out, count: total)
        }
    }

    /// Errors of any part count; NULL parts are left out; only a NULL separator gives NULL.
    static func concatWithSeparator(_ run: Run) {
        let (count, arena, scratch) = (run.argumentCount, run.arena, run.scratch)
        let valid = run.strict1()
        run.each(ByteRef.self, valid) { k, state in
            let separator = run.a.refs[k]
            scratch.clear()
            var isFirst = true
            for i in 1..<max(1, count) {
                let part = run.argument(i)
                if part.states[k] > 1 {
                    state = part.states[k]
                    return .empty
                }
                if part.states[k] == CellState.null { continue }
                if !isFirst { scratch.append(separator) }
                isFirst = false
                scratch.append(part.refs[k])
            }
            return arena.copy(scratch.bytes)
        }
    }

    /// `p`: 1 upper, 0 lower. ASCII in place, other text by Unicode's locale-independent mapping.
    static func changeCase(_ run: Run) {
        let (up, arena) = (run.p == 1, run.arena)
        run.map(ByteRef.self, ByteRef.self) { text, _ in
            var high: UInt8 = 0
            for i in 0..<text.count { high |= text.start[i] }
            if high >= 0x80 { return arena.copy(up ? text.text.uppercased() : text.text.lowercased()) }
            let out = arena.allocate(text.count)
            if up {
                for i in 0..<text.count {
                    let byte = text.start[i]
                    out[i] = byte &- 0x61 < 26 ? byte ^ 0x20 : byte
                }
            } else {
                for i in 0..<text.count {
                    let byte = text.start[i]
                    out[i] = byte &- 0x41 < 26 ? byte ^ 0x20 : byte
                }
            }
            return ByteRef(start: out, count: text.count)
        }
    }

    /// Only ASCII letters change; everything but ASCII letters and digits starts a new word.
    static func initCap(_ text: ByteRef, _ arena: BatchArena) -> ByteRef {
        let out = arena.allocate(text.count)
        var startsWord = true
        for i in 0..<text.count {
            let byte = text.start[i]
            let lower = byte | 0x20
            if lower &- 0x61 < 26 {
                out[i] = startsWord ? lower ^ 0x20 : lower
                startsWord = false
            } else {
                out[i] = byte
                startsWord = byte &- 0x30 > 9
            }
        }
        return ByteRef(start: out, count: text.count)
    }

    /// Flink's rules: start 0 is 1, a negative start counts from the end, a negative length gives NULL.
    static func substring(_ text: ByteRef, _ start: Int64, _ length: Int64) -> ByteRef? {
        if length < 0 { return nil }
        var first = start
        if start > 0 {
            first = start - 1
        } else if start < 0 {
            first = Int64(CodePoints.count(text)) + start
            if first < 0 { return .empty }
        }
        let from = CodePoints.offset(text, Int(first))
        if length == .max { return CodePoints.slice(text, from, text.count) }
        let rest = CodePoints.slice(text, from, text.count)
        return CodePoints.slice(rest, 0, CodePoints.offset(rest, Int(length)))
    }

    static func pad(
        _ text: ByteRef, _ length: Int64, _ pad: ByteRef, _ isLeft: Bool, _ arena: BatchArena, _ state: inout UInt8
    ) -> ByteRef {
        if length < 0 || pad.count == 0 {
            state = CellState.null
            return .empty
        }
        let count = Int64(CodePoints.count(text))
        if count >= length { return CodePoints.slice(text, 0, CodePoints.offset(text, Int(length))) }
        let missing = length - count
        let padCount = Int64(CodePoints.count(pad))
        let whole = missing / max(padCount, 1)
        let tail = CodePoints.offset(pad, Int(missing % max(padCount, 1)))
        guard whole < Int64(longest), Int(whole) * pad.count + tail + text.count <= longest else {
            state = RowErrorCode.limitExceeded.rawValue
            return .empty
        }
        let padding = Int(whole) * pad.count + tail
        let out = arena.allocate(padding + text.count)
        let target = isLeft ? out : out + text.count
        for i in 0..<Int(whole) { (target + i * pad.count).update(from: pad.start, count: pad.count) }
        (target + Int(whole) * pad.count).update(from: pad.start, count: tail)
        (isLeft ? out + padding : out).update(from: text.start, count: text.count)
        return ByteRef(start: out, count: padding + text.count)
    }

    static func replace(
        _ text: ByteRef, _ search: ByteRef, _ by: ByteRef, _ arena: BatchArena, _ scratch: ByteBuffer
    ) -> ByteRef {
        scratch.clear()
        if search.count == 0 {
            scratch.append(by)
            var at = 0
            while at < text.count {
                let next = CodePoints.next(text, at)
                scratch.append(CodePoints.slice(text, at, next))
                scratch.append(by)
                at = next
            }
            return arena.copy(scratch.bytes)
        }
        guard var found = CodePoints.find(search, in: text) else { return text }
        var at = 0
        while true {
            scratch.append(CodePoints.slice(text, at, found))
            scratch.append(by)
            at = found + search.count
            guard let next = CodePoints.find(search, in: text, from: at) else { break }
            found = next
        }
        scratch.append(CodePoints.slice(text, at, text.count))
        return arena.copy(scratch.bytes)
    }

    /// `sides`: 1 leading, 2 trailing, 3 both. Cuts every character of the set.
    static func trim(_ text: ByteRef, _ characters: ByteRef, _ sides: Int64) -> ByteRef {
        func contains(_ character: ByteRef) -> Bool {
            var at = 0
            while at < characters.count {
                let next = CodePoints.next(characters, at)
                if CodePoints.slice(characters, at, next).equals(character) { return true }
                at = next
            }
            return false
        }
        var from = 0
        var to = text.count
        if sides & 1 != 0 {
            while from < to {
                let next = CodePoints.next(text, from)
                guard contains(CodePoints.slice(text, from, next)) else { break }
                from = next
            }
        }
        if sides & 2 != 0 {
            while to > from {
                var start = to - 1
                while start > from, text.start[start] & 0xC0 == 0x80 { start -= 1 }
                guard contains(CodePoints.slice(text, start, to)) else { break }
                to = start
            }
        }
        return CodePoints.slice(text, from, to)
    }

    /// Code points from 1; 0 when absent.
    static func position(_ needle: ByteRef, _ text: ByteRef, _ start: Int64) -> Int64 {
        let from = start <= 1 ? 0 : CodePoints.offset(text, Int(min(start - 1, Int64(text.count) + 1)))
        guard let found = CodePoints.find(needle, in: text, from: from) else { return 0 }
        return Int64(CodePoints.count(CodePoints.slice(text, 0, found))) + 1
    }

    /// (text, replacement, start [, length]); outside the text it stays as it is.
    static func overlay(_ run: Run) {
        let valid = run.strictAll()
        let (arena, scratch) = (run.arena, run.scratch)
        let hasLength = run.argumentCount > 3
        run.each(ByteRef.self, valid) { k, _ in
            let (text, by, start) = (run.a.refs[k], run.b.refs[k], run.c.ints[k])
            let count = Int64(CodePoints.count(text))
            let length = hasLength ? run.argument(3).ints[k] : Int64(CodePoints.count(by))
            if start <= 0 || start > count { return text }
            let from = CodePoints.offset(text, Int(start - 1))
            return run.text(arena, scratch) {
                $0.append(CodePoints.slice(text, 0, from))
                $0.append(by)
                let end = start - 1 + max(min(length, 1 << 40), 0)
                if length >= 0 && end < count {
                    $0.append(CodePoints.slice(text, CodePoints.offset(text, Int(end)), text.count))
                }
            }
        }
    }

    /// Part `index` from 0, empty parts included; nil beyond the end. Empty text has no parts.
    static func split(_ text: ByteRef, _ separator: ByteRef, _ index: Int64) -> ByteRef? {
        if index < 0 || text.count == 0 { return nil }
        if separator.count == 0 { return index == 0 ? text : nil }
        var left = index
        var at = 0
        while true {
            let end = CodePoints.find(separator, in: text, from: at)
            if left == 0 { return CodePoints.slice(text, at, end ?? text.count) }
            guard let end else { return nil }
            at = end + separator.count
            left -= 1
        }
    }

    static func character(_ code: Int64, _ arena: BatchArena) -> ByteRef? {
        guard code >= 0, code < 0x110000, let scalar = Unicode.Scalar(UInt32(code)) else { return nil }
        return arena.copy(String(Character(scalar)))
    }

    /// Version 4, from the shard's generator: for identification, not for secrets.
    static func uuid(_ run: Run) {
        run.setAllValid()
        let arena = run.arena
        let hex: StaticString = "0123456789abcdef"
        for k in 0..<run.rows {
            let high = run.nextRandom() & ~0xF000 | 0x4000
            let low = run.nextRandom() & ~(3 << 62) | 2 << 62
            let out = arena.allocate(36)
            var at = 0
            for i in 0..<32 {
                if i == 8 || i == 12 || i == 16 || i == 20 {
                    out[at] = 0x2D
                    at += 1
                }
                let word = i < 16 ? high : low
                out[at] = hex.utf8Start[Int(word >> UInt64(60 - i % 16 * 4) & 15)]
                at += 1
            }
            run.result.refs[k] = ByteRef(start: out, count: 36)
        }
    }

    /// (url, part [, key]): HOST PATH QUERY REF PROTOCOL AUTHORITY FILE USERINFO; nil when the URL has no such part.
    static func parseURL(_ run: Run) {
        let valid = run.strictAll()
        let hasKey = run.argumentCount > 2
        run.each(ByteRef.self, valid) { k, state in
            let part = run.b.refs[k].text
            guard var found = urlPart(run.a.refs[k], part) else {
                state = CellState.null
                return .empty
            }
            guard hasKey else { return found }
            let key = run.c.refs[k]
            if part == "QUERY" {
                var index: Int64 = 0
                while let pair = split(found, constant("&"), index) {
                    if pair.count > key.count, pair.start[key.count] == 0x3D,
                        CodePoints.slice(pair, 0, key.count).equals(key)
                    {
                        found = CodePoints.slice(pair, key.count + 1, pair.count)
                        return found
                    }
                    index += 1
                }
            }
            state = CellState.null
            return .empty
        }
    }

    private static func urlPart(_ url: ByteRef, _ part: String) -> ByteRef? {
        guard let colon = CodePoints.find(constant(":"), in: url), colon > 0 else { return nil }
        if part == "PROTOCOL" { return CodePoints.slice(url, 0, colon) }
        var rest = CodePoints.slice(url, colon + 1, url.count)
        let hash = CodePoints.find(constant("#"), in: rest)
        if part == "REF" { return hash.map { CodePoints.slice(rest, $0 + 1, rest.count) } }
        if let hash { rest = CodePoints.slice(rest, 0, hash) }
        var authority: ByteRef?
        if rest.count >= 2, rest.start[0] == 0x2F, rest.start[1] == 0x2F {
            rest = CodePoints.slice(rest, 2, rest.count)
            var end = 0
            while end < rest.count, rest.start[end] != 0x2F, rest.start[end] != 0x3F { end += 1 }
            authority = CodePoints.slice(rest, 0, end)
            rest = CodePoints.slice(rest, end, rest.count)
        }
        let question = CodePoints.find(constant("?"), in: rest)
        switch part {
        case "QUERY": return question.map { CodePoints.slice(rest, $0 + 1, rest.count) }
        case "FILE": return rest
        case "PATH": return CodePoints.slice(rest, 0, question ?? rest.count)
        case "AUTHORITY": return authority
        case "USERINFO":
            guard let authority, let at = CodePoints.find(constant("@"), in: authority) else { return nil }
            return CodePoints.slice(authority, 0, at)
        case "HOST":
            guard var host = authority else { return nil }
            if let at = CodePoints.find(constant("@"), in: host) { host = CodePoints.slice(host, at + 1, host.count) }
            if let port = CodePoints.find(constant(":"), in: host) { host = CodePoints.slice(host, 0, port) }
            return host
        default: return nil
        }
    }
}
