/*
 * The checker and the interpreter that bpf_interp.h describes. One instruction
 * class after the other, in the order of the manual.
 */
#include "bpf_interp.h"

#include <stdbool.h>

/* From the kernel's uapi, where libc's copy of the header may be older. */
#ifndef BPF_MOD
#define BPF_MOD 0x90
#endif
#ifndef BPF_XOR
#define BPF_XOR 0xa0
#endif

static bool known_opcode(uint16_t code)
{
	switch (code) {
	case BPF_LD | BPF_W | BPF_ABS:
	case BPF_LD | BPF_H | BPF_ABS:
	case BPF_LD | BPF_B | BPF_ABS:
	case BPF_LD | BPF_W | BPF_IND:
	case BPF_LD | BPF_H | BPF_IND:
	case BPF_LD | BPF_B | BPF_IND:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_B | BPF_MSH:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
	case BPF_ALU | BPF_NEG:
	case BPF_JMP | BPF_JA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
		return true;
	}
	if (BPF_CLASS(code) == BPF_ALU && code == (BPF_ALU | BPF_OP(code) | BPF_SRC(code)))
		return BPF_OP(code) <= BPF_XOR && BPF_OP(code) != BPF_NEG;
	if (BPF_CLASS(code) == BPF_JMP && code == (BPF_JMP | BPF_OP(code) | BPF_SRC(code)))
		return BPF_OP(code) >= BPF_JEQ && BPF_OP(code) <= BPF_JSET;
	return false;
}

static bool known_ancillary(uint32_t k)
{
	switch (k - (uint32_t)SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
	case SKF_AD_PKTTYPE:
	case SKF_AD_IFINDEX:
	case SKF_AD_MARK:
	case SKF_AD_QUEUE:
	case SKF_AD_HATYPE:
	case SKF_AD_RXHASH:
	case SKF_AD_CPU:
	case SKF_AD_ALU_XOR_X:
		return true;
	}
	return false;
}

static const char *check_instruction(const struct sock_filter *f, size_t behind)
{
	uint16_t code = f->code;

	if (!known_opcode(code))
		return "unknown opcode";
	switch (BPF_CLASS(code)) {
	case BPF_LD:
		if (BPF_MODE(code) == BPF_MEM && f->k >= BPF_MEMWORDS)
			return "no such memory word";
		if (BPF_MODE(code) == BPF_ABS && f->k >= (uint32_t)SKF_AD_OFF && !known_ancillary(f->k))
			return "unknown ancillary data";
		break;
	case BPF_LDX:
		if (BPF_MODE(code) == BPF_MEM && f->k >= BPF_MEMWORDS)
			return "no such memory word";
		break;
	case BPF_ST:
	case BPF_STX:
		if (f->k >= BPF_MEMWORDS)
			return "no such memory word";
		break;
	case BPF_ALU:
		if ((code == (BPF_ALU | BPF_DIV | BPF_K) || code == (BPF_ALU | BPF_MOD | BPF_K)) && !f->k)
			return "division by zero";
		if ((code == (BPF_ALU | BPF_LSH | BPF_K) || code == (BPF_ALU | BPF_RSH | BPF_K)) && f->k >= 32)
			return "shift too wide";
		break;
	case BPF_JMP:
		if (code == (BPF_JMP | BPF_JA) ? f->k >= behind : f->jt >= behind || f->jf >= behind)
			return "jump out of the program";
		break;
	}
	return NULL;
}

/*
 * No path may read a memory word before it wrote it: the words known to be written,
 * narrowed along every jump.
 */
static const char *check_memory(const struct sock_filter *prog, size_t len)
{
	uint16_t written[BPF_MAXINSNS];
	uint16_t valid = 0;

	for (size_t pc = 0; pc < len; pc++)
		written[pc] = 0xffff;
	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &prog[pc];

		valid &= written[pc];
		switch (f->code) {
		case BPF_ST:
		case BPF_STX:
			valid |= (uint16_t)(1u << f->k);
			break;
		case BPF_LD | BPF_MEM:
		case BPF_LDX | BPF_MEM:
			if (!(valid & 1u << f->k))
				return "memory word read before it is written";
			break;
		case BPF_JMP | BPF_JA:
			written[pc + 1 + f->k] &= valid;
			valid = 0xffff;
			break;
		default:
			if (BPF_CLASS(f->code) != BPF_JMP)
				break;
			written[pc + 1 + f->jt] &= valid;
			written[pc + 1 + f->jf] &= valid;
			valid = 0xffff;
		}
	}
	return NULL;
}

const char *bpf_interp_check(const struct sock_filter *prog, size_t len)
{
	if (!len || len > BPF_MAXINSNS)
		return "bad length";
	for (size_t pc = 0; pc < len; pc++) {
		const char *wrong = check_instruction(&prog[pc], len - pc - 1);

		if (wrong)
			return wrong;
	}
	if (BPF_CLASS(prog[len - 1].code) != BPF_RET)
		return "does not end with a return";
	return check_memory(prog, len);
}

static bool load_ancillary(const struct bpf_packet *p, uint32_t k, uint32_t x, uint32_t *a)
{
	switch (k - (uint32_t)SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
		*a = p->protocol;
		return true;
	case SKF_AD_PKTTYPE:
		*a = p->pkttype;
		return true;
	case SKF_AD_IFINDEX:
		*a = p->ifindex;
		return true;
	case SKF_AD_MARK:
		*a = p->mark;
		return true;
	case SKF_AD_QUEUE:
		*a = p->queue;
		return true;
	case SKF_AD_HATYPE:
		*a = p->hatype;
		return true;
	case SKF_AD_RXHASH:
		*a = p->rxhash;
		return true;
	case SKF_AD_CPU:
		*a = p->cpu;
		return true;
	case SKF_AD_ALU_XOR_X:
		*a ^= x;
		return true;
	}
	return false;
}

/*
 * Bytes at a signed offset: from the payload on, or from SKF_NET_OFF on from the
 * network header. The link layer is not there.
 */
static bool load_packet(const struct bpf_packet *p, int32_t offset, size_t size, uint32_t *out)
{
	size_t at;

	if (offset >= 0)
		at = p->data + (size_t)offset;
	else if (offset >= SKF_NET_OFF)
		at = (size_t)(offset - SKF_NET_OFF);
	else
		return false;
	if (at > p->net_len || size > p->net_len - at)
		return false;
	*out = 0;
	while (size--)
		*out = *out << 8 | p->net[at++];
	return true;
}

static size_t load_size(uint16_t code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* false: division by zero, which ends the program with 0. */
static bool alu(uint16_t op, uint32_t *a, uint32_t b)
{
	switch (op) {
	case BPF_ADD:
		*a += b;
		break;
	case BPF_SUB:
		*a -= b;
		break;
	case BPF_MUL:
		*a *= b;
		break;
	case BPF_DIV:
		if (!b)
			return false;
		*a /= b;
		break;
	case BPF_MOD:
		if (!b)
			return false;
		*a %= b;
		break;
	case BPF_OR:
		*a |= b;
		break;
	case BPF_AND:
		*a &= b;
		break;
	case BPF_XOR:
		*a ^= b;
		break;
	case BPF_LSH:
		*a <<= b & 31;
		break;
	case BPF_RSH:
		*a >>= b & 31;
		break;
	case BPF_NEG:
		*a = 0 - *a;
		break;
	}
	return true;
}

static bool branch(uint16_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b;
	}
}

uint32_t bpf_interp_run(const struct sock_filter *prog, size_t len, const struct bpf_packet *packet, struct bpf_trace *trace)
{
	struct bpf_trace unused, *t = trace ? trace : &unused;
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

	t->steps = t->packet_reads = 0;
	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &prog[pc];
		uint32_t operand = BPF_SRC(f->code) == BPF_X ? x : f->k;

		t->steps++;
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			switch (BPF_MODE(f->code)) {
			case BPF_IMM:
				a = f->k;
				break;
			case BPF_MEM:
				a = mem[f->k];
				break;
			case BPF_LEN:
				a = (uint32_t)(packet->net_len - packet->data);
				break;
			case BPF_ABS:
				if (load_ancillary(packet, f->k, x, &a))
					break;
				t->packet_reads++;
				if (!load_packet(packet, (int32_t)f->k, load_size(f->code), &a))
					return 0;
				break;
			case BPF_IND:
				t->packet_reads++;
				if (!load_packet(packet, (int32_t)(f->k + x), load_size(f->code), &a))
					return 0;
				break;
			}
			break;
		case BPF_LDX:
			switch (BPF_MODE(f->code)) {
			case BPF_IMM:
				x = f->k;
				break;
			case BPF_MEM:
				x = mem[f->k];
				break;
			case BPF_LEN:
				x = (uint32_t)(packet->net_len - packet->data);
				break;
			case BPF_MSH:
				t->packet_reads++;
				if (!load_packet(packet, (int32_t)f->k, 1, &x))
					return 0;
				x = (x & 0xf) * 4;
				break;
			}
			break;
		case BPF_ST:
			mem[f->k] = a;
			break;
		case BPF_STX:
			mem[f->k] = x;
			break;
		case BPF_ALU:
			if (!alu(BPF_OP(f->code), &a, operand))
				return 0;
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				pc += f->k;
			else
				pc += branch(BPF_OP(f->code), a, operand) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? a : f->k;
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				x = a;
			else
				a = x;
			break;
		}
	}
	return 0;
}

size_t bpf_interp_ebpf_len(const struct sock_filter *prog, size_t len)
{
	size_t n = 3; /* clears A and X, keeps the context */

	for (size_t pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &prog[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			/* With the fast path for what is in the linear part of the packet. */
			n += BPF_MODE(f->code) == BPF_ABS || BPF_MODE(f->code) == BPF_IND ? 12 : 1;
			break;
		case BPF_LDX:
			n += BPF_MODE(f->code) == BPF_MSH ? 17 : 1;
			break;
		case BPF_JMP:
			/*
			 * A second jump where neither way falls through, and a move for constants that do
			 * not fit a signed immediate.
			 */
			n += f->code == (BPF_JMP | BPF_JA) ? 1 : 1 + (f->jt && f->jf) + (f->k > INT32_MAX);
			break;
		case BPF_RET:
			n += 2;
			break;
		default:
			n += 1;
		}
	}
	return n;
}
