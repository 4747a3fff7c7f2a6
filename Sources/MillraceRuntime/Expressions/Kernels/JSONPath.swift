import MillraceCore

/// A SQL/JSON path: `lax` or `strict` (the default), then `$` and steps as Jayway's JsonPath reads them: `.name`, `['name']`,
/// `[0]`, `[-1]`, `[1:3]`, `[0,2]`, `['a','b']`, `[*]`, `.*`, `..name`.
final class JSONPath {
    private enum Step {
        case name(String, ByteRef)
        case index(Int)
        case names([String])
        case indexes([Int])
        case slice(Int?, Int?)
        case all
        /// Every value below, itself included.
        case descend
    }

    /// What a document has at a path.
    enum Finding {
        case found(JSONNode)
        /// Nothing there, in lax mode.
        case empty
        /// No JSON, or nothing there in strict mode.
        case failed
    }

    private let steps: [Step]
    private let arena = BatchArena(chunkBytes: 1 << 8)
    let isLax: Bool
    /// Only names and indexes from the start: `find` can do it.
    let isSimple: Bool
    private let isDefinite: Bool

    init?(_ path: String) {
        var text = Substring(path)
        while text.first == " " { text.removeFirst() }
        var isLax = false
        for mode in ["lax", "strict"] where text.hasPrefix(mode + " ") {
            isLax = mode == "lax"
            text = text.dropFirst(mode.count + 1)
            break
        }
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        let bytes = Array(text.utf8)
        guard bytes.first == 0x24 else { return nil }
        var steps: [Step] = []
        var at = 1
        while at < bytes.count {
            if bytes[at] == 0x2E {
                at += 1
                if at < bytes.count, bytes[at] == 0x2E {
                    steps.append(.descend)
                    at += 1
                    if at < bytes.count, bytes[at] == 0x5B { continue }
                }
                var end = at
                while end < bytes.count, bytes[end] != 0x2E, bytes[end] != 0x5B { end += 1 }
                let name = Array(bytes[at..<end])
                guard !name.isEmpty else { return nil }
                steps.append(name == [0x2A] ? .all : .name(String(decoding: name, as: UTF8.self), arena.copy(name)))
                at = end
            } else if bytes[at] == 0x5B {
                guard let (inner, end) = JSONPath.bracket(bytes, at), let step = JSONPath.step(inner, arena) else {
                    return nil
                }
                steps.append(step)
                at = end
            } else {
                return nil
            }
        }
        self.steps = steps
        self.isLax = isLax
        isSimple = steps.allSatisfy {
            switch $0 {
            case .name: true
            case .index(let index): index >= 0
            default: false
            }
        }
        isDefinite = steps.allSatisfy {
            switch $0 {
            case .name, .index: true
            default: false
            }
        }
    }

    /// What stands in the brackets that open at `start`, and the place behind them.
    private static func bracket(_ bytes: [UInt8], _ start: Int) -> ([UInt8], Int)? {
        var at = start + 1
        var quote: UInt8 = 0
        while at < bytes.count {
            let byte = bytes[at]
            if quote != 0 {
                if byte == 0x5C { at += 1 } else if byte == quote { quote = 0 }
            } else if byte == 0x27 || byte == 0x22 {
                quote = byte
            } else if byte == 0x5D {
                return (Array(bytes[start + 1..<at]), at + 1)
            }
            at += 1
        }
        return nil
    }

    private static func step(_ inner: [UInt8], _ arena: BatchArena) -> Step? {
        let parts = inner.split(separator: 0x2C).map { part -> [UInt8] in
            var part = part
            while part.first == 0x20 { part.removeFirst() }
            while part.last == 0x20 { part.removeLast() }
            return Array(part)
        }
        guard let first = parts.first, !first.isEmpty else { return nil }
        if first == [0x2A] { return .all }
        if first[0] == 0x27 || first[0] == 0x22 {
            // A comma may stand inside of quotes.
            let all =
                parts.allSatisfy { $0.count >= 2 && $0.first == first[0] && $0.last == first[0] } ? parts : [inner]
            let names = all.map { Array($0.dropFirst().dropLast()).filter { $0 != 0x5C } }
            guard names.count > 1 else {
                return .name(String(decoding: names[0], as: UTF8.self), arena.copy(names[0]))
            }
            return .names(names.map { String(decoding: $0, as: UTF8.self) })
        }
        if let colon = first.firstIndex(of: 0x3A) {
            func bound(_ text: ArraySlice<UInt8>) -> Int?? {
                if text.isEmpty { return .some(nil) }
                return Int(String(decoding: text, as: UTF8.self)).map { .some($0) }
            }
            guard let from = bound(first[..<colon]), let to = bound(first[(colon + 1)...]) else { return nil }
            return .slice(from, to)
        }
        let indexes = parts.compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        guard indexes.count == parts.count else { return nil }
        return indexes.count == 1 ? .index(indexes[0]) : .indexes(indexes)
    }

    /// The text of the value at a simple path of a valid document; nil when it is not there.
    func find(_ text: ByteRef) -> ByteRef? {
        var scanner = JSONScanner(text)
        for step in steps {
            switch step {
            case .name(_, let name): guard scanner.enterMember(name) else { return nil }
            case .index(let index): guard scanner.enterElement(index) else { return nil }
            default: return nil
            }
        }
        return scanner.value()
    }

    /// What `values[0]`, a document, has at the fixed path, or at the one in `values[1]`.
    static func look(_ values: [Value], _ fixed: JSONPath?) -> Finding {
        guard let path = fixed ?? JSONPath(values[1].text) else { return .failed }
        guard let document = JSONNode(values[0].text) else { return .failed }
        guard let node = path.select(document) else { return path.isLax ? .empty : .failed }
        return .found(node)
    }

    /// A value, or for a path that may lead to several an array of them; nil when a name or index is not there.
    private func select(_ document: JSONNode) -> JSONNode? {
        var nodes = [document]
        // What leads to one value only has to be there.
        var isSingle = true
        for step in steps {
            switch step {
            case .name, .index: break
            default: isSingle = false
            }
            var next: [JSONNode] = []
            for node in nodes { JSONPath.apply(step, node, &next) }
            if isSingle, next.isEmpty { return nil }
            nodes = next
        }
        return isDefinite ? nodes[0] : .array(nodes)
    }

    private static func apply(_ step: Step, _ node: JSONNode, _ out: inout [JSONNode]) {
        switch step {
        case .name(let name, _):
            guard case .object(let members) = node, let member = members.last(where: { $0.0 == name }) else { return }
            out.append(member.1)
        case .names(let names):
            let members = node.members.filter { names.contains($0.0) }
            if !members.isEmpty { out.append(.object(members)) }
        case .index(let index): out += element(node, index)
        case .indexes(let indexes): for index in indexes { out += element(node, index) }
        case .slice(let from, let to):
            guard case .array(let elements) = node else { return }
            func place(_ bound: Int) -> Int { max(0, min(elements.count, bound < 0 ? elements.count + bound : bound)) }
            let (start, end) = (place(from ?? 0), place(to ?? elements.count))
            if start < end { out += elements[start..<end] }
        case .all:
            switch node {
            case .array(let elements): out += elements
            case .object: out += node.members.map(\.1)
            default: break
            }
        case .descend:
            out.append(node)
            switch node {
            case .array(let elements): for element in elements { apply(.descend, element, &out) }
            case .object: for member in node.members { apply(.descend, member.1, &out) }
            default: break
            }
        }
    }

    private static func element(_ node: JSONNode, _ index: Int) -> [JSONNode] {
        guard case .array(let elements) = node else { return [] }
        let place = index < 0 ? elements.count + index : index
        return elements.indices.contains(place) ? [elements[place]] : []
    }
}
