/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of the store's file, as LMDB 0.9 lays them out on this machine. LMDB trusts them: a bit
 * that turned over in its list of free pages, in a page's number or in a key that guides a search
 * is not noticed when it is read, and costs records later. So every page must be reached once, or
 * be free, and all keys must lie in order. Only what was already found to be a store of LMDB's is
 * looked at, in a child (store_probe); what is read here may be anything all the same.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/err.h"
#include "certstore/store/store_private.h"

#define HEADER_SIZE 16
#define NODE_SIZE 8
#define DB_SIZE 48
#define META_DBS (HEADER_SIZE + 24)
#define META_LAST_PAGE (META_DBS + 2 * DB_SIZE)
#define META_TXN (META_LAST_PAGE + 8)
#define FLAG_BRANCH 0x01u
#define FLAG_LEAF 0x02u
#define FLAG_OVERFLOW 0x04u
#define NODE_BIG 0x01u
#define NODE_DATABASE 0x02u
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 32

struct pages {
	const uint8_t *map;
	size_t size;
	uint32_t page_size;
	uint64_t last;
	uint8_t *seen; /* a byte a page */
};

/* A tree that is walked. */
struct tree {
	uint64_t root, entries;
	uint16_t depth;
	bool is_free_list, is_main;
	/* so far */
	const uint8_t *key; /* the key before, NULL: none */
	size_t key_size;
	bool is_bound; /* that was one that guides: the next may be the same */
	uint64_t n;
};

struct node {
	uint16_t flags;
	const uint8_t *key;
	size_t key_size;
	uint64_t child, data_size;
	const uint8_t *data;
};

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static bool take_page(struct pages *pages, uint64_t number)
{
	if (number < 2 || number > pages->last || pages->seen[number])
		return false;
	pages->seen[number] = 1;
	return true;
}

static const uint8_t *page_at(const struct pages *pages, uint64_t number)
{
	return pages->map + number * pages->page_size;
}

/* LEAF: its data is told, too; that of a large one lies on pages of its own. */
static bool read_node(struct pages *pages, const uint8_t *page, size_t index, bool is_leaf,
		      struct node *ret_node)
{
	size_t offset = get16(page + HEADER_SIZE + 2 * index), room;
	const uint8_t *at = page + offset;
	uint64_t big;

	if (offset < HEADER_SIZE || offset + NODE_SIZE > pages->page_size)
		return false;
	*ret_node = (struct node){.flags = get16(at + 4),
				  .key_size = get16(at + 6),
				  .key = at + NODE_SIZE,
				  .data_size = get16(at) | (uint64_t)get16(at + 2) << 16};
	if (offset + NODE_SIZE + ret_node->key_size > pages->page_size)
		return false;
	if (!is_leaf) {
		ret_node->child = ret_node->data_size | (uint64_t)ret_node->flags << 32;
		return true;
	}
	ret_node->data = ret_node->key + ret_node->key_size;
	room = pages->page_size - offset - NODE_SIZE - ret_node->key_size;
	if ((ret_node->flags & NODE_BIG) == 0)
		return ret_node->data_size <= room;
	if (room < sizeof(big))
		return false;
	big = get64(ret_node->data);
	room = (HEADER_SIZE + ret_node->data_size + pages->page_size - 1) / pages->page_size;
	for (uint64_t i = 0; i < room; i++) {
		if (!take_page(pages, big + i))
			return false;
	}
	ret_node->data = page_at(pages, big) + HEADER_SIZE;
	return get64(ret_node->data - HEADER_SIZE) == big &&
	       (get16(ret_node->data - 6) & FLAG_OVERFLOW) != 0;
}

static bool is_in_order(struct tree *tree, const struct node *node, bool is_guide)
{
	size_t common = node->key_size < tree->key_size ? node->key_size : tree->key_size;
	const uint8_t *before = tree->key;
	int order;

	if (tree->is_free_list && node->key_size != sizeof(uint64_t))
		return false;
	if (before) {
		order = memcmp(before, node->key, common);
		if (order == 0)
			order = (tree->key_size > node->key_size) -
				(tree->key_size < node->key_size);
		if (tree->is_free_list)
			order = (get64(before) > get64(node->key)) -
				(get64(before) < get64(node->key));
		if (order > 0 || (order == 0 && !tree->is_bound))
			return false;
	}
	tree->key = node->key;
	tree->key_size = node->key_size;
	tree->is_bound = is_guide;
	return true;
}

/* Page numbers in falling order, after how many there are. */
static bool take_free(struct pages *pages, const struct node *node)
{
	uint64_t n = node->data_size >= 8 ? get64(node->data) : NO_PAGE;

	if (n > pages->last || node->data_size != 8 * (n + 1))
		return false;
	for (uint64_t i = 1; i <= n; i++) {
		if (!take_page(pages, get64(node->data + 8 * i)) ||
		    (i > 1 && get64(node->data + 8 * i) >= get64(node->data + 8 * (i - 1))))
			return false;
	}
	return true;
}

static struct tree tree_of(const uint8_t *database)
{
	return (struct tree){.depth = get16(database + 6),
			     .entries = get64(database + 32),
			     .root = get64(database + 40)};
}

static bool walk_tree(struct pages *pages, struct tree *tree);

static bool take_leaf(struct pages *pages, struct tree *tree, const struct node *node)
{
	struct tree inner;

	tree->n++;
	if (tree->is_free_list)
		return take_free(pages, node);
	if (!tree->is_main)
		return (node->flags & NODE_DATABASE) == 0;
	if ((node->flags & NODE_DATABASE) == 0 || node->data_size != DB_SIZE)
		return false;
	inner = tree_of(node->data);
	return walk_tree(pages, &inner);
}

static bool walk_page(struct pages *pages, struct tree *tree, uint64_t number, unsigned depth)
{
	const uint8_t *page;
	size_t n, lower;
	uint16_t flags;

	if (depth > tree->depth || !take_page(pages, number))
		return false;
	page = page_at(pages, number);
	flags = get16(page + 10);
	lower = get16(page + 12);
	if (get64(page) != number || lower < HEADER_SIZE || lower > pages->page_size)
		return false;
	if (flags != FLAG_LEAF && flags != FLAG_BRANCH)
		return false;
	if ((flags == FLAG_LEAF) != (depth == tree->depth))
		return false;
	n = (lower - HEADER_SIZE) / 2;
	for (size_t i = 0; i < n; i++) {
		struct node node;

		if (!read_node(pages, page, i, flags == FLAG_LEAF, &node))
			return false;
		/* The first key of a branch guides nobody. */
		if ((flags == FLAG_LEAF || i > 0) && !is_in_order(tree, &node, flags != FLAG_LEAF))
			return false;
		if (flags == FLAG_LEAF ? !take_leaf(pages, tree, &node)
				       : !walk_page(pages, tree, node.child, depth + 1))
			return false;
	}
	return n > 0;
}

static bool walk_tree(struct pages *pages, struct tree *tree)
{
	if (tree->root == NO_PAGE)
		return tree->entries == 0 && tree->depth == 0;
	return tree->depth > 0 && tree->depth <= DEPTH_MAX &&
	       walk_page(pages, tree, tree->root, 1) && tree->n == tree->entries;
}

static bool walk_file(struct pages *pages, const uint8_t *meta)
{
	struct tree free_list = tree_of(meta + META_DBS);
	struct tree main_tree = tree_of(meta + META_DBS + DB_SIZE);

	free_list.is_free_list = true;
	main_tree.is_main = true;
	return walk_tree(pages, &free_list) && walk_tree(pages, &main_tree);
}

static const uint8_t *find_meta(const struct pages *pages, uint64_t txn)
{
	for (uint64_t i = 0; i < 2; i++) {
		if (get64(page_at(pages, i) + META_TXN) == txn)
			return page_at(pages, i);
	}
	return NULL;
}

int store_pages_verify(MDB_env *env, struct why *ret_why)
{
	struct pages pages = {0};
	const uint8_t *meta;
	MDB_envinfo info;
	struct stat file;
	MDB_stat stat;
	int fd, r = store_code(mdb_env_info(env, &info));

	if (r == 0)
		r = store_code(mdb_env_stat(env, &stat));
	if (r == 0)
		r = store_code(mdb_env_get_fd(env, &fd));
	if (r < 0 || fstat(fd, &file) < 0)
		return r < 0 ? r : -errno;
	pages.page_size = stat.ms_psize;
	pages.last = info.me_last_pgno;
	pages.size = (size_t)file.st_size;
	if (pages.last < 1 || pages.size / pages.page_size <= pages.last)
		return why_set(ret_why, ERR_STORE, "its end is gone");
	pages.map = mmap(NULL, pages.size, PROT_READ, MAP_SHARED, fd, 0);
	if (pages.map == MAP_FAILED)
		return -errno;
	pages.seen = calloc(pages.last + 1, 1);
	meta = find_meta(&pages, info.me_last_txnid);
	r = !pages.seen ? -ENOMEM
	    : meta && get64(meta + META_LAST_PAGE) == pages.last && walk_file(&pages, meta)
		    ? 0
		    : ERR_STORE;
	free(pages.seen);
	(void)munmap((void *)(uintptr_t)pages.map, pages.size);
	return r == ERR_STORE ? why_set(ret_why, r, "its pages do not hang together") : r;
}
