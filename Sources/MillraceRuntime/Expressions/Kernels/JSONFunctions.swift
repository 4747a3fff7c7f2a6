import MillraceCore

extension ExpressionCompiler {
    /// JSON_VALUE, JSON_QUERY, JSON_EXISTS, IS JSON and the constructors.
    mutating func json(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) throws(Diagnostic) -> Operand? {
        switch function {
        case .isJSON: return try isJSON(arguments, type)
        case .jsonExists: return try jsonExists(arguments, type)
        case .jsonValue: return try jsonValue(arguments, type)
        case .jsonQuery: return try jsonQuery(arguments, type)
        case .jsonString:
            let from = arguments[0].type
            return rows(arguments, type) { .string(JSONNode($0[0], from).text) }
        case .json:
            return rows(arguments, type) { values in
                if values[0].text.isEmpty { return .null }
                return JSONNode(values[0].text).map { .string($0.text) } ?? .error(.invalidArgument)
            }
        case .parseJSON, .tryParseJSON:
            let other: Value = function == .parseJSON ? .error(.invalidArgument) : .null
            return rows(arguments, type) { JSONNode($0[0].text).map { .string($0.shortest.text) } ?? other }
        case .variantItem:
            return rows(arguments, type) { values in
                switch (JSONNode(values[0].text), values[1]) {
                case (.object(let members)?, .string(let key)):
                    return members.last { $0.0 == key }.map { .string($0.1.text) } ?? .null
                case (.array(let elements)?, .integer(let place)):
                    return place >= 1 && place <= elements.count ? .string(elements[Int(place) - 1].text) : .null
                default: return .error(.invalidArgument)
                }
            }
        case .jsonObject, .jsonArray: return jsonConstructor(function, arguments, type)
        case .jsonQuote: return rows(arguments, type) { .string(JSONNode.quoted($0[0].text)) }
        case .jsonUnquote: return rows(arguments, type) { .string(JSONNode.unquoted($0[0].text)) }
        default: return nil
        }
    }

    /// NULL is no JSON; what follows the first value is not looked at, as in Flink.
    private mutating func isJSON(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand {
        guard arguments[0].layout == .bytes else { throw unsupported(.isJSON, arguments) }
        let shapes = ["VALUE": 0, "OBJECT": 1, "ARRAY": 2, "SCALAR": 3]
        let shape = arguments.count > 1 ? shapes[arguments[1].text ?? ""] ?? 0 : 0
        return emit(type, [arguments[0]], p: Int64(shape)) {
            let run = Run($0)
            let (a, shape) = (run.a, run.p)
            run.setAllValid()
            run.each(Int64.self, true) { k, state in
                if a.states[k] > CellState.valid { state = a.states[k] }
                guard a.states[k] == CellState.valid else { return 0 }
                var scanner = JSONScanner(a.refs[k])
                guard let value = scanner.value() else { return 0 }
                let isObject = value.start[0] == 0x7B
                let isArray = value.start[0] == 0x5B
                switch shape {
                case 0: return 1
                case 1: return isObject ? 1 : 0
                case 2: return isArray ? 1 : 0
                default: return isObject || isArray ? 0 : 1
                }
            }
        }
    }

    private func literalPath(_ operand: Operand) throws(Diagnostic) -> JSONPath? {
        guard let text = operand.text else { return nil }
        guard let path = JSONPath(text) else {
            throw Diagnostic(
                "invalid JSON path",
                hint: "Write names and indexes such as $.a.b[0], with 'lax ' or 'strict ' in front.")
        }
        return path
    }

    private func behavior(_ arguments: [Operand], _ index: Int) -> JSONBehavior {
        guard index < arguments.count, case .integer(let code)? = arguments[index].literal else { return .null }
        return JSONBehavior(rawValue: code) ?? .null
    }

    private mutating func jsonExists(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand {
        let fixed = try literalPath(arguments[1])
        let onError = arguments.count > 2 ? behavior(arguments, 2) : .false
        return rows(Array(arguments.prefix(2)), type) { values in
            switch JSONPath.look(values, fixed) {
            case .found(let node): .boolean(node != .null)
            case .empty: .boolean(false)
            case .failed:
                switch onError {
                case .true: .boolean(true)
                case .unknown: .null
                case .error: .error(.invalidArgument)
                default: .boolean(false)
                }
            }
        }
    }

    private mutating func jsonValue(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand {
        let fixed = try literalPath(arguments[1])
        if arguments.count == 2, type.isCharacter, let fixed, fixed.isSimple {
            return emit(type, [arguments[0]], object: fixed) { JSONKernels.value(Run($0)) }
        }
        let (onEmpty, onError) = (behavior(arguments, 2), behavior(arguments, 3))
        var operands = Array(arguments.prefix(2))
        // The defaults, when there are any, stand behind the modes.
        operands += arguments.dropFirst(4)
        let isLax = fixed?.isLax
        return rows(operands, type, isStrict: false) { values in
            if values[0] == .null || values[1] == .null { return .null }
            func fallback(_ behavior: JSONBehavior, _ place: Int) -> Value {
                switch behavior {
                case .value: values[place]
                case .error: .error(.invalidArgument)
                default: .null
                }
            }
            switch JSONPath.look(Array(values.prefix(2)), fixed) {
            case .empty: return fallback(onEmpty, 2)
            case .failed: return fallback(onError, 3)
            case .found(let node):
                if node == .null { return fallback(onEmpty, 2) }
                if !node.isScalar { return isLax == true ? fallback(onEmpty, 2) : fallback(onError, 3) }
                return node.cell(as: type) ?? .error(.castFailed)
            }
        }
    }

    private mutating func jsonQuery(_ arguments: [Operand], _ type: DataType) throws(Diagnostic) -> Operand {
        let fixed = try literalPath(arguments[1])
        var wrapper: Int64 = 0
        if arguments.count > 2, case .integer(let code)? = arguments[2].literal { wrapper = code }
        let (onEmpty, onError) = (behavior(arguments, 3), behavior(arguments, 4))
        let isLax = fixed?.isLax == true
        func cell(_ node: JSONNode) -> Value {
            guard case .array = type else { return .string(node.text) }
            guard case .array(let elements) = node else { return .null }
            return .array(elements.map { $0 == .null ? .null : .string($0.isScalar ? $0.scalarText : $0.text) })
        }
        func fallback(_ behavior: JSONBehavior) -> Value {
            switch behavior {
            case .emptyArray: cell(.array([]))
            case .emptyObject: cell(.object([]))
            case .error: .error(.invalidArgument)
            default: .null
            }
        }
        return rows(Array(arguments.prefix(2)), type) { values in
            switch JSONPath.look(values, fixed) {
            case .empty: return fallback(onEmpty)
            case .failed: return fallback(onError)
            case .found(let node):
                if node == .null { return fallback(onEmpty) }
                if case .array = node, wrapper == 1 { return cell(node) }
                if wrapper != 0 { return cell(.array([node])) }
                return node.isScalar ? fallback(isLax ? onEmpty : onError) : cell(node)
            }
        }
    }

    /// The first argument says whether NULL is left out.
    private mutating func jsonConstructor(
        _ function: BuiltinFunction, _ arguments: [Operand], _ type: DataType
    ) -> Operand {
        let leavesOut = arguments[0].literal == .integer(1)
        let operands = Array(arguments.dropFirst())
        let types = operands.map(\.type)
        func node(_ values: [Value], _ index: Int) -> JSONNode? {
            // The planner marks values that are JSON text already.
            if case .row(let parts) = values[index], case .row(let fields) = types[index], fields[0].name.isEmpty {
                return parts[0] == .null ? JSONNode.null : JSONNode(parts[0].text)
            }
            return JSONNode(values[index], types[index])
        }
        if function == .jsonArray {
            return rows(operands, type, isStrict: false) { values in
                var elements: [JSONNode] = []
                for index in values.indices {
                    guard let element = node(values, index) else { return .error(.invalidArgument) }
                    if element != .null || !leavesOut { elements.append(element) }
                }
                return .string(JSONNode.array(elements).text)
            }
        }
        return rows(operands, type, isStrict: false) { values in
            var members: [(String, JSONNode)] = []
            for index in stride(from: 0, to: values.count, by: 2) {
                guard let member = node(values, index + 1), case .string(let key) = values[index] else {
                    return .error(.invalidArgument)
                }
                if member != .null || !leavesOut { members.append((key, member)) }
            }
            return .string(JSONNode.object(members).text)
        }
    }
}

enum JSONKernels {
    /// JSON_VALUE with a literal path of names and indexes: the value is found by scanning, nothing is built.
    static func value(_ run: Run) {
        let (path, arena, scratch) = (run.object(JSONPath.self), run.arena, run.scratch)
        run.map(ByteRef.self, ByteRef.self) { text, state in
            var whole = JSONScanner(text)
            guard let document = whole.value(), let found = path.find(document), found.start[0] != 0x7B,
                found.start[0] != 0x5B, !found.equals(constant("null"))
            else {
                state = CellState.null
                return .empty
            }
            guard found.start[0] == 0x22 else {
                for i in 0..<found.count where found.start[i] | 0x20 == 0x65 && found.start[0] < 0x3A {
                    return arena.copy(JSONNode.number(found.text).scalarText)
                }
                return found
            }
            return run.text(arena, scratch) {
                JSONScanner.unescape(CodePoints.slice(found, 1, found.count - 1), to: $0)
            }
        }
    }
}
